//! DNS messages (RFC 1035 section 4), as far as a signature at their end needs it: written and read. Pure.

/// Type and class of the record of a signature (RFC 8945 section 4.2).
const TSIG: u16 = 250;
const ANY: u16 = 255;

/// The most labels and pointers of one name: a whole one has 127 labels, and pointers could lead in a circle.
const MOST_PARTS: usize = 256;

/// What the record of a signature holds, names as they are signed.
#[derive(Debug, Default)]
pub(super) struct Tsig {
    pub(super) name: Vec<u8>,
    pub(super) algorithm: Vec<u8>,
    pub(super) time: [u8; 6],
    pub(super) fudge: u16,
    pub(super) mac: Vec<u8>,
    pub(super) id: [u8; 2],
    pub(super) error: u16,
    pub(super) other: Vec<u8>,
}

impl Tsig {
    /// Returns what of it is signed beside the message (RFC 8945 section 4.3.3).
    pub(super) fn variables(&self) -> Vec<u8> {
        let mut out = self.name.clone();
        words(&mut out, &[ANY, 0, 0]);
        out.extend([&self.algorithm[..], &self.time].concat());
        words(&mut out, &[self.fudge, self.error, length(&self.other)]);
        out.extend(&self.other);
        out
    }

    /// Returns it as a record (RFC 8945 section 4.2).
    pub(super) fn record(&self) -> Vec<u8> {
        let mut data = [&self.algorithm[..], &self.time].concat();
        words(&mut data, &[self.fudge, length(&self.mac)]);
        data.extend([&self.mac[..], &self.id].concat());
        words(&mut data, &[self.error, length(&self.other)]);
        data.extend(&self.other);
        let mut out = self.name.clone();
        words(&mut out, &[TSIG, ANY, 0, 0, length(&data)]);
        out.extend(data);
        out
    }
}

/// Finds where the last record of a message starts, and the signature that it may be; nothing where the message is no whole one.
pub(super) fn last(message: &[u8]) -> Option<(usize, Option<Tsig>)> {
    let mut reader = Reader {
        all: message,
        at: 4,
    };
    let [questions, answers, authorities, more] = [(); 4].map(|()| reader.word());
    for _ in 0..questions? {
        reader.name()?;
        reader.take(4)?;
    }
    let records = u32::from(answers?) + u32::from(authorities?) + u32::from(more?);
    let mut found = (reader.at, None);
    for _ in 0..records {
        let start = reader.at;
        let name = reader.name()?;
        let kind = reader.word()?;
        let class = reader.take(6)?;
        let size = reader.word()?;
        let end = reader.at + usize::from(size);
        found = if kind == TSIG && class == [0, 255, 0, 0, 0, 0] && more? > 0 {
            let tsig = reader.tsig(name)?;
            (reader.at == end).then_some(())?;
            (start, Some(tsig))
        } else {
            reader.take(usize::from(size))?;
            (start, None)
        };
    }
    (reader.at == message.len()).then_some(found)
}

/// Reads a message from its start on.
struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.all.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn word(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Reads a name, as [`wire()`] writes it, along the pointers of RFC 1035 section 4.1.4.
    fn name(&mut self) -> Option<Vec<u8>> {
        let (mut out, mut back) = (Vec::new(), None);
        for _ in 0..MOST_PARTS {
            let size = self.take(1)?[0];
            match size {
                0 => {
                    out.push(0);
                    self.at = back.unwrap_or(self.at);
                    return (out.len() < 256).then_some(out);
                }
                1..=63 => {
                    out.push(size);
                    out.extend(self.take(usize::from(size))?.to_ascii_lowercase());
                }
                192.. => {
                    let low = self.take(1)?[0];
                    back.get_or_insert(self.at);
                    self.at = usize::from(u16::from_be_bytes([size & 63, low]));
                }
                _ => return None,
            }
        }
        None
    }

    fn tsig(&mut self, name: Vec<u8>) -> Option<Tsig> {
        let algorithm = self.name()?;
        let time = self.take(6)?.try_into().ok()?;
        let fudge = self.word()?;
        let size = self.word()?;
        let mac = self.take(usize::from(size))?.to_vec();
        let id = self.take(2)?.try_into().ok()?;
        let (error, size) = (self.word()?, self.word()?);
        Some(Tsig {
            name,
            algorithm,
            time,
            fudge,
            mac,
            id,
            error,
            other: self.take(usize::from(size))?.to_vec(),
        })
    }
}

/// Returns a name in lower case and without compression, as what is signed needs it.
pub(super) fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label: Vec<u8> = label.to_lowercase().bytes().take(63).collect();
        out.extend(length(&label).to_be_bytes().last());
        out.extend(&label);
    }
    out.push(0);
    out
}

pub(super) fn words(out: &mut Vec<u8>, words: &[u16]) {
    for word in words {
        out.extend(word.to_be_bytes());
    }
}

pub(super) fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}
