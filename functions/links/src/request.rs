//! What a function URL passes on of an HTTP request, as far as it matters. Anybody may send anything.

use data_encoding::BASE64;
use serde_json::Value;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// `t` of the query.
    pub query_token: Option<String>,
    /// `t` of the form that was posted.
    pub form_token: Option<String>,
    /// The header `Accept-Language`.
    pub accept_language: String,
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// To be asked.
    Get,
    /// To have it done.
    Post,
    /// Any other.
    #[default]
    Other,
}

/// The most characters of a body that are looked at: a form with a token has some hundred.
const LONGEST_BODY: usize = 16_384;

/// The most characters a token may have. Ours have at most some hundred.
const LONGEST_TOKEN: usize = 2_048;

impl Method {
    /// Its name in the log, where nothing is written that a stranger made up.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Other => "other",
        }
    }
}

impl Request {
    /// Reads the event of a function URL (payload format 2.0). What is none asks for nothing.
    ///
    /// Only what matters is looked at: a header that nobody should have sent keeps nobody from unsubscribing.
    #[must_use]
    pub fn of(event: &[u8]) -> Self {
        let event: Value = serde_json::from_slice(event).unwrap_or_default();
        let text = |place: &str| event.pointer(place).and_then(Value::as_str);
        let method = match text("/requestContext/http/method") {
            Some("GET") => Method::Get,
            Some("POST") => Method::Post,
            _ => Method::Other,
        };
        let body = text("/body").filter(|body| body.len() <= LONGEST_BODY).unwrap_or_default();
        let form = match event.pointer("/isBase64Encoded") {
            Some(Value::Bool(true)) => {
                BASE64.decode(body.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok())
            }
            _ => Some(body.to_owned()),
        };
        Self {
            method,
            query_token: text("/queryStringParameters/t").and_then(of_length),
            form_token: form.and_then(|form| field(&form)),
            accept_language: text("/headers/accept-language").unwrap_or_default().to_owned(),
        }
    }
}

/// `t` of `application/x-www-form-urlencoded`. A token has no character that would be encoded there.
fn field(form: &str) -> Option<String> {
    form.split('&').find_map(|field| field.strip_prefix("t=")).and_then(of_length)
}

fn of_length(token: &str) -> Option<String> {
    (token.len() <= LONGEST_TOKEN).then(|| token.to_owned())
}
