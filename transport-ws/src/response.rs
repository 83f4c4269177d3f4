//! The head of an HTTP response, as much of it as a handshake needs (RFC 9112, sections 2 to 5).
//!
//! Firmware wants to know that nothing here can panic, which no parser at hand lets it.

use crate::ResponseError;

/// How many fields a response may have.
pub(crate) const MAX_FIELDS: usize = 64;

/// The head of a response, all of which was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) status: u16,
    /// The lines behind the first.
    lines: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads `head`, which ends with an empty line. Lines may end with a line feed alone.
    pub(crate) fn parse(head: &'a [u8]) -> Result<Self, ResponseError> {
        let end = head.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or(ResponseError::Malformed)?;
        let (first, lines) = head
            .split_at_checked(end + 1)
            .ok_or(ResponseError::Malformed)?;
        let status = status(without_end(first)).ok_or(ResponseError::Malformed)?;
        let head = Self { status, lines };
        let mut count = 0;
        for line in head.lines() {
            if field(line).is_none() {
                return Err(ResponseError::Malformed);
            }
            count += 1;
        }
        if count > MAX_FIELDS {
            return Err(ResponseError::TooLong);
        }
        Ok(head)
    }

    /// Its lines without their ends, up to the empty one.
    fn lines(self) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .split(|&byte| byte == b'\n')
            .map(without_end)
            .take_while(|line| !line.is_empty())
    }

    /// Names and values.
    pub(crate) fn fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.lines().filter_map(field)
    }
}

/// A line without its end, and nothing else.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The status of a first line.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line
        .strip_prefix(b"HTTP/1.0 ")
        .or_else(|| line.strip_prefix(b"HTTP/1.1 "))?;
    let (digits, reason) = rest.split_first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) || !is_text(reason) {
        return None;
    }
    if !reason.is_empty() && reason.first() != Some(&b' ') {
        return None;
    }
    let digit = |digit: u8| u16::from(digit - b'0');
    let [a, b, c] = *digits;
    Some(digit(a) * 100 + digit(b) * 10 + digit(c))
}

/// Name and value of a field.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?;
    let is_name = !name.is_empty() && name.iter().copied().all(is_token);
    (is_name && is_text(value)).then(|| (name, value.trim_ascii()))
}

/// Without control characters, but for the tabulator.
fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| !byte.is_ascii_control() || *byte == b'\t')
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = Head::parse(b"HTTP/1.0 404 Not \xfcber\r\nA:  b c\t\nD:\r\n\r\n").unwrap();
        assert_eq!(head.status, 404);
        let fields: Vec<_> = head.fields().collect();
        assert_eq!(fields, [(&b"A"[..], &b"b c"[..]), (b"D", b"")]);
        for good in [
            "HTTP/1.1 101\r\n\r\n",
            "HTTP/1.1 101 \r\n\r\n",
            "HTTP/1.1 101 a\n\n",
        ] {
            assert_eq!(Head::parse(good.as_bytes()).unwrap().status, 101);
        }
        for bad in [
            "HTTP/1.1 101x\r\n\r\n",
            "HTTP/1.1 1\u{661}1 a\r\n\r\n",
            "HTTP/1.2 101\r\n\r\n",
            "HTTP/1.1  101\r\n\r\n",
            "HTTP/1.1 101 a\x07\r\n\r\n",
            "HTTP/1.1 101\r\nA b: c\r\n\r\n",
            "HTTP/1.1 101\r\nA : c\r\n\r\n",
            "HTTP/1.1 101\r\n: c\r\n\r\n",
            "HTTP/1.1 101\r\nA: b\rc\r\n\r\n",
            "HTTP/1.1 101\r\nA: b\0\r\n\r\n",
            "HTTP/1.1 101\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 101",
            "",
        ] {
            let result = Head::parse(bad.as_bytes()).map(|head| head.status);
            assert_eq!(result, Err(ResponseError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn control_character_at_the_end_of_the_first_line() {
        for end in ["\x0c\r\n", "\x0c\n", "\r\r\n", "\x0b\n"] {
            let head = format!("HTTP/1.1 101 a{end}\r\n");
            let result = Head::parse(head.as_bytes()).map(|head| head.status);
            assert_eq!(result, Err(ResponseError::Malformed), "{head:?}");
        }
    }

    proptest::proptest! {
        /// What is taken for a head is one for `httparse`, too, and says the same.
        #[test]
        fn same_as_httparse(
            reason in "[\t -~\x0b\x0c\r]{0,8}",
            fields in proptest::collection::vec(("[!-~]{0,6}", "[\t -~\x7f\r]{0,12}"), 0..6),
        ) {
            let mut head = format!("HTTP/1.1 101{reason}\r\n");
            for (name, value) in fields {
                head += &format!("{name}:{value}\r\n");
            }
            head += "\r\n";
            let mut places = [httparse::EMPTY_HEADER; MAX_FIELDS];
            let mut other = httparse::Response::new(&mut places);
            let is_other = other.parse(head.as_bytes()) == Ok(httparse::Status::Complete(head.len()));
            match Head::parse(head.as_bytes()) {
                Ok(ours) => {
                    assert!(is_other, "{head:?}");
                    assert_eq!(Some(ours.status), other.code);
                    let fields = other.headers.iter().map(|f| (f.name.as_bytes(), f.value));
                    assert!(ours.fields().eq(fields), "{head:?}");
                }
                Err(_) => assert!(!is_other, "{head:?}"),
            }
        }
    }
}
