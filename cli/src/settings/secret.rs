//! The text of a secret, as it is sent.

use super::Error;

/// The secret in `bytes`, which are from `place` and belong to the setting `setting`: without a byte order mark, and
/// without white space around it.
///
/// # Errors
/// [`Error::SecretText`] if the bytes are not such a secret, as when an editor has saved them in another encoding.
pub fn read(setting: &str, place: &str, bytes: &[u8]) -> Result<String, Error> {
    let refused = |reason: &str| Error::SecretText { place: place.to_owned(), reason: reason.to_owned() };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(refused("it is UTF-16; save it as UTF-8, or as plain text"));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| refused("it is not UTF-8; save it as UTF-8, or as plain text"))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    // A list of headers, which may be on lines of their own.
    if setting.ends_with("headers_file") {
        return Ok(text.to_owned());
    }
    if text.contains(char::is_control) {
        return Err(refused("it has a line break or another control character; write the secret alone, on one line"));
    }
    let is_key = setting.ends_with("api_key_file") || setting.ends_with("token_file");
    if is_key && text.contains(char::is_whitespace) {
        return Err(refused("it has white space in it; write the key alone, on one line"));
    }
    let is_in = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if is_key && (is_in('"') || is_in('\'')) {
        return Err(refused("it is in quotes, which would be sent, too; write the key without them"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "providers.massive.api_key_file";
    const PASSWORD: &str = "clickhouse.password_file";

    #[test]
    fn a_byte_order_mark_and_white_space_are_not_part_of_a_secret() {
        assert_eq!(read(KEY, "key", b"\xef\xbb\xbfs3cret\r\n").unwrap(), "s3cret");
        assert_eq!(read(PASSWORD, "key", b" two words \n").unwrap(), "two words");
        assert_eq!(read(PASSWORD, "key", b"\"quoted\"").unwrap(), "\"quoted\"");
        assert_eq!(read("traces.otlp_headers_file", "key", b"a=b\nc=d\n").unwrap(), "a=b\nc=d");
        assert_eq!(read(KEY, "key", b"\n").unwrap(), "");
    }

    #[test]
    fn what_is_no_secret_is_refused_with_its_place_and_without_its_text() {
        let utf_16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("s3cret".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let cases: [(&str, &[u8], &str); 7] = [
            (KEY, &utf_16, "UTF-16"),
            (KEY, b"s3cret\xff", "not UTF-8"),
            (KEY, b"s3cret\nother", "line break"),
            (PASSWORD, b"s3cret\0", "control character"),
            (KEY, b"s3cret other", "white space"),
            (KEY, b"\"s3cret\"", "quotes"),
            ("http.token_file", b"'s3cret'", "quotes"),
        ];
        for (setting, bytes, reason) in cases {
            let error = read(setting, "the file /etc/key", bytes).unwrap_err().to_string();
            assert!(error.contains("the file /etc/key") && error.contains(reason), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
