//! What a server answers to the first message of a handshake.

use certroll::hello::{Refusal, read};

/// What is an answer, or none, stays so whatever comes behind it; what is not yet one is short.
pub(super) fn check(data: &[u8]) {
    let whole = read(data);
    let longest = 22 << 10;
    assert!(
        whole != Ok(None) || data.len() < longest,
        "{} bytes are waited on",
        data.len()
    );
    for cut in [1, 5, 6, 9, 40, data.len() / 2] {
        let early = read(data.get(..cut).unwrap_or(data));
        match early {
            Ok(None) => {}
            decided => assert_eq!(decided, whole, "at {cut}"),
        }
    }
    if let Ok(Some(answer)) = whole {
        let behind = [data, b"HTTP/1.1"].concat();
        assert_eq!(read(&behind), Ok(Some(answer)));
    }
    assert!(!Refusal.to_string().is_empty());
}
