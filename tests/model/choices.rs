//! Where choices come from: all of them in turn, or drawn.

use proptest::{prelude::Rng as _, test_runner::TestRng};

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

/// Returns what makes choices by chance.
pub(crate) fn drawn(rng: &mut TestRng) -> impl FnMut(usize) -> usize {
    |of| rng.next_u32() as usize % of
}
