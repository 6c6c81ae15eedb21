//! Takes a multipart form apart (RFC 7578).

/// Returns the parts of a form, each with its name; none where it is no form.
pub(super) fn parts(content_type: &str, body: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let boundary = content_type.split("boundary=").nth(1)?;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    let mark = format!("--{boundary}").into_bytes();
    let mut parts = Vec::new();
    for piece in split(body, &mark).into_iter().skip(1) {
        if piece.starts_with(b"--") {
            return Some(parts);
        }
        let at = find(piece, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(piece.get(..at)?);
        let name = head.split("name=\"").nth(1)?.split('"').next()?.to_owned();
        let bytes = piece.get(at + 4..)?;
        parts.push((name, bytes.strip_suffix(b"\r\n").unwrap_or(bytes).to_vec()));
    }
    None
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}

fn split<'t>(mut text: &'t [u8], mark: &[u8]) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    while let Some(at) = find(text, mark) {
        pieces.push(text.get(..at).unwrap_or_default());
        text = text.get(at + mark.len()..).unwrap_or_default();
    }
    pieces.push(text);
    pieces
}
