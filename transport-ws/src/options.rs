use core::fmt;

use crate::{Handshake, MAX_FRAME, Request, RequestError};

/// How to connect, for the streams that have a heap.
///
/// More fields may come, so that struct update syntax is the way to make one:
///
/// ```
/// let options = transport_ws::Options {
///     path: "/broker".to_owned(),
///     ..Default::default()
/// };
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// The path, with the query if there is one; `/mqtt` by default.
    pub path: String,

    /// The user name and password for basic authentication, if any.
    ///
    /// They travel as they are: without TLS, everybody on the way can read them.
    pub credentials: Option<(String, String)>,

    /// Names and values of further headers, `Origin` for instance.
    pub headers: Vec<(String, String)>,

    /// How long a frame of the server may be; [`MAX_FRAME`] by default.
    pub max_frame: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: "/mqtt".to_owned(),
            credentials: None,
            headers: Vec::new(),
            max_frame: MAX_FRAME,
        }
    }
}

impl Options {
    /// Writes the request of `handshake` to the server `authority`.
    pub(crate) fn request(
        &self,
        authority: &str,
        handshake: &Handshake,
    ) -> Result<String, RequestError> {
        let headers: Vec<_> = self.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        let request = Request {
            authority,
            path: &self.path,
            credentials: self.credentials.as_ref().map(|(u, p)| (&**u, &**p)),
            headers: &headers,
        };
        let mut text = String::new();
        handshake.request_to(&request, &mut text)?;
        Ok(text)
    }
}

/// Without the password and the headers, which often are secrets as well.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("path", &self.path)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("max_frame", &self.max_frame)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let options = Options {
            credentials: Some(("me".to_owned(), "pencil".to_owned())),
            headers: vec![("Authorization".to_owned(), "Bearer eraser".to_owned())],
            ..Options::default()
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("/mqtt") && shown.contains("me"), "{shown}");
        assert!(
            !shown.contains("pencil") && !shown.contains("eraser"),
            "{shown}"
        );
    }
}
