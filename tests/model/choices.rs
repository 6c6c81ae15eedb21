//! Where choices come from: all of them in turn, or some that are given.

/// Goes through every sequence of choices, the last choice first.
#[derive(Debug, Default)]
pub(crate) struct Odometer {
    digits: Vec<(usize, usize)>,
    at: usize,
}

impl Odometer {
    /// Makes one choice.
    pub(crate) fn choose(&mut self, of: usize) -> usize {
        if self.at == self.digits.len() {
            self.digits.push((0, of));
        }
        self.at += 1;
        self.digits[self.at - 1].0
    }

    /// Goes on to the next sequence; false after the last.
    pub(crate) fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((digit, of)) = self.digits.pop() {
            if digit + 1 < of {
                self.digits.push((digit + 1, of));
                return true;
            }
        }
        false
    }
}

/// Choices out of a list, over and over.
#[derive(Debug)]
pub(crate) struct Given<'l> {
    list: &'l [u16],
    at: usize,
}

impl<'l> Given<'l> {
    pub(crate) fn new(list: &'l [u16]) -> Self {
        Self { list, at: 0 }
    }

    /// Makes one choice.
    pub(crate) fn choose(&mut self, of: usize) -> usize {
        let raw = self.list.get(self.at % self.list.len().max(1));
        self.at += 1;
        raw.map_or(0, |raw| usize::from(*raw) % of)
    }
}
