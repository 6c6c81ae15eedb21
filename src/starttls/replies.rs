//! Readers of what peers say before a handshake. Each takes everything heard since the last answer.

/// How far an answer has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// More must come.
    Part,
    /// It is there, in as many bytes, and is what was hoped for.
    Whole(usize),
    /// It is there, and is a no.
    Unwilling(String),
    /// It is none of this protocol.
    Foreign(String),
}

/// The most of an answer that is shown, in characters.
const SHOWN: usize = 80;

/// Returns the start of what a peer said, fit for a terminal.
fn said(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim_end().chars().take(SHOWN).map(plain).collect()
}

/// The complete lines, each with the offset where it ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut end = 0;
    bytes
        .split_inclusive(|b| *b == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .map(move |line| {
            end += line.len();
            (line, end)
        })
}

/// Reads lines by how they begin, in any case: `good` ends the answer, one of `bad` is a no, `more` are passed over.
pub(super) fn begun(bytes: &[u8], good: &str, bad: &[&str], more: &str) -> Heard {
    let is = |line: &[u8], start: &str| {
        line.get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    for (line, end) in lines(bytes) {
        if is(line, good) {
            return Heard::Whole(end);
        }
        if bad.iter().any(|start| is(line, start)) {
            return Heard::Unwilling(said(line));
        }
        if more.is_empty() || !is(line, more) {
            return Heard::Foreign(said(line));
        }
    }
    Heard::Part
}

/// Reads a reply with a code of three digits, over several lines where a `-` follows it: the last begins with the same
/// code and a space (RFC 5321 section 4.2.1, RFC 959 section 4.2). `want` is the code, or how it begins.
pub(super) fn numbered(bytes: &[u8], want: &str) -> Heard {
    let mut lines = lines(bytes);
    let Some((first, end)) = lines.next() else {
        return Heard::Part;
    };
    let Some((code, rest)) = first.split_at_checked(3) else {
        return Heard::Foreign(said(first));
    };
    if !code.iter().all(u8::is_ascii_digit) {
        return Heard::Foreign(said(first));
    }
    let last = if rest.starts_with(b"-") {
        lines.find(|(line, _)| {
            let after = line.strip_prefix(code).and_then(|rest| rest.first());
            after.is_some_and(u8::is_ascii_whitespace)
        })
    } else {
        Some((first, end))
    };
    match last {
        None => Heard::Part,
        Some((_, end)) if code.starts_with(want.as_bytes()) => Heard::Whole(end),
        Some((line, _)) => Heard::Unwilling(said(line)),
    }
}

/// Reads an `ExtendedResponse`, of which only the result counts (RFC 4511 section 4.12).
pub(super) fn ldap(bytes: &[u8]) -> Heard {
    let message = match bytes.split_first() {
        None => return Heard::Part,
        Some((0x30, message)) => message,
        Some(_) => return Heard::Foreign(said(bytes)),
    };
    let Some((body, after)) = counted(message) else {
        return Heard::Part;
    };
    // messageID 1, then the response, whose first element is the result.
    let result = body
        .strip_prefix(b"\x02\x01\x01\x78")
        .and_then(counted)
        .and_then(|(response, _)| response.strip_prefix(b"\x0a\x01"))
        .and_then(|rest| rest.first());
    match result {
        Some(0) => Heard::Whole(bytes.len() - after.len()),
        Some(code) => Heard::Unwilling(format!("result {code}")),
        None => Heard::Foreign(said(bytes)),
    }
}

/// Takes a BER length and as many bytes off the front, and returns them with the rest (ITU-T X.690 section 8.1.3).
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let long = usize::from(first & 0x7f);
    let (length, rest) = if first & 0x80 == 0 {
        (long, rest)
    } else {
        let (digits, rest) = rest.split_at_checked(long)?;
        let length = digits.iter().try_fold(0_usize, |sum, digit| {
            Some(sum.checked_mul(256)? + usize::from(*digit))
        });
        (length?, rest)
    };
    rest.split_at_checked(length)
}

/// Reads the greeting of a MySQL server: a packet of version 10 whose capabilities must include `CLIENT_SSL`.
pub(super) fn mysql(bytes: &[u8]) -> Heard {
    const CLIENT_SSL: u8 = 0x08;
    let Some(([a, b, c, 0], rest)) = bytes.split_first_chunk() else {
        return if bytes.len() < 4 {
            Heard::Part
        } else {
            Heard::Foreign(said(bytes))
        };
    };
    let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
    let Some(packet) = rest.get(..length) else {
        return Heard::Part;
    };
    match packet.split_first() {
        Some((10, packet)) => {
            // The version ends with a zero; then 4 bytes of thread, 8 of salt, a zero, and the capabilities.
            let mut halves = packet.splitn(2, |byte| *byte == 0);
            let capabilities = halves.nth(1).and_then(|tail| tail.get(13..15));
            match capabilities {
                Some([_, high]) if high & CLIENT_SSL != 0 => Heard::Whole(4 + length),
                Some(_) => Heard::Unwilling("capabilities without SSL".to_owned()),
                None => Heard::Foreign(said(packet)),
            }
        }
        Some((0xff, text)) => Heard::Unwilling(said(text.get(2..).unwrap_or_default())),
        _ => Heard::Foreign(said(packet)),
    }
}

/// Reads the one byte that answers an `SSLRequest`.
pub(super) fn postgres(bytes: &[u8]) -> Heard {
    match bytes.first() {
        None => Heard::Part,
        Some(b'S') => Heard::Whole(1),
        Some(b'N') => Heard::Unwilling("N".to_owned()),
        Some(_) => Heard::Foreign(said(bytes)),
    }
}

/// Reads a stream's head and features, which must offer STARTTLS (RFC 6120 section 5.4.1).
pub(super) fn features(bytes: &[u8]) -> Heard {
    const END: &[u8] = b"</stream:features>";
    if bytes.first().is_some_and(|byte| *byte != b'<') {
        return Heard::Foreign(said(bytes));
    }
    if let Some(at) = find(bytes, END) {
        return match find(bytes, b"<starttls") {
            Some(offer) if offer < at => Heard::Whole(at + END.len()),
            _ => Heard::Unwilling("features without starttls".to_owned()),
        };
    }
    // No feature at all, or an error that ends the stream.
    let no = [
        &b"<stream:features/>"[..],
        b"</stream:error>",
        b"</stream:stream>",
    ];
    match no.iter().find_map(|end| find(bytes, end)) {
        Some(at) => Heard::Unwilling(said(bytes.get(at..).unwrap_or_default())),
        None => Heard::Part,
    }
}

/// Reads the answer to `<starttls/>`.
pub(super) fn proceed(bytes: &[u8]) -> Heard {
    let Some(end) = find(bytes, b">") else {
        return Heard::Part;
    };
    if bytes.starts_with(b"<proceed") {
        Heard::Whole(end + 1)
    } else if bytes.starts_with(b"<failure") {
        Heard::Unwilling(said(bytes))
    } else {
        Heard::Foreign(said(bytes))
    }
}

/// Puts a name into an attribute in single quotes (XML 1.0 section 2.4).
pub(super) fn escaped(name: &str) -> String {
    name.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&apos;")
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}
