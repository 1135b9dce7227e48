//! JSON-RPC, as far as the dispatcher at `/` needs it: what is called, and the errors that answer (transport.md section 3.3).

use std::fmt::Write;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::error::WireError;

/// An unknown method, or a call of another version.
pub const INVALID_REQUEST: i32 = -32600;
/// A call that cannot be parsed, or a method that failed.
pub const INTERNAL_ERROR: i32 = -32604;

const WRONG_VERSION: &str = "Must be valid json-rpc 2.0 see: http://www.jsonrpc.org/specification";

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The caller's name for this call, as text; empty when it gave none.
    pub id: String,
    /// The method; empty when it named none.
    pub method: String,
}

/// What the body of a request turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A call in version 2.0.
    Call(Call),
    /// No call that can be done; the error document that answers it.
    Answer(Bytes),
}

/// Reads a request.
///
/// # Errors
/// [`WireError::NotAnObject`] for JSON that is no object, to which the original answers 500. An empty body reads as no value at
/// all (transport.md section 9.3), so it is none either.
pub fn read(body: &[u8]) -> Result<Incoming, WireError> {
    if body.trim_ascii().is_empty() {
        return Err(WireError::NotAnObject);
    }
    let request: Value = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return Ok(Incoming::Answer(error_document("", false, INTERNAL_ERROR, &error.to_string()))),
    };
    let Value::Object(request) = request else { return Err(WireError::NotAnObject) };
    let call = Call { id: text(&request, "id"), method: text(&request, "method") };
    if request.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Ok(Incoming::Answer(error_document(&call.id, false, INVALID_REQUEST, WRONG_VERSION)));
    }
    Ok(Incoming::Call(call))
}

/// The answer of a listener that has no methods.
///
/// # Errors
/// As [`read`].
pub fn answer_unknown_method(body: &[u8]) -> Result<Bytes, WireError> {
    Ok(match read(body)? {
        Incoming::Call(call) => {
            error_document(&call.id, true, INVALID_REQUEST, &format!("No handler defined for {}", call.method))
        }
        Incoming::Answer(answer) => answer,
    })
}

/// An error document. Members that are empty are left out, and `jsonrpc` where the call was not of version 2.0.
pub fn error_document(id: &str, version_2: bool, code: i32, message: &str) -> Bytes {
    let mut document = String::from("{");
    if !id.is_empty() {
        document.push_str("\"id\":");
        push_string(&mut document, id);
        document.push(',');
    }
    if version_2 {
        document.push_str("\"jsonrpc\":\"2.0\",");
    }
    // Writing to a String cannot fail.
    let _ = write!(document, "\"error\":{{\"code\":{code}");
    if !message.is_empty() {
        document.push_str(",\"message\":");
        push_string(&mut document, message);
    }
    document.push_str("}}");
    Bytes::from(document)
}

/// A member as text: numbers and booleans as they are written, empty for what has no text.
fn text(request: &Map<String, Value>, name: &str) -> String {
    match request.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

/// A JSON string with the original's escapes: all that is not printable ASCII as `\uXXXX` (transport.md section 9.2).
fn push_string(document: &mut String, text: &str) {
    document.push('"');
    for unit in text.encode_utf16() {
        let escape = match unit {
            0x22 => "\\\"",
            0x5c => "\\\\",
            0x08 => "\\b",
            0x09 => "\\t",
            0x0a => "\\n",
            0x0c => "\\f",
            0x0d => "\\r",
            0x20..=0x7e => {
                document.push(char::from(unit as u8));
                continue;
            }
            _ => {
                let _ = write!(document, "\\u{unit:04X}");
                continue;
            }
        };
        document.push_str(escape);
    }
    document.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(body: &str) -> Bytes {
        answer_unknown_method(body.as_bytes()).unwrap()
    }

    #[test]
    fn unknown_methods() {
        assert_eq!(
            answer(r#"{"id":"3c1b0e6e-2a6a-4c46-9f5e-1f0f2d1c7a11","jsonrpc":"2.0","method":"foo","params":{"UserId":"..."}}"#),
            r#"{"id":"3c1b0e6e-2a6a-4c46-9f5e-1f0f2d1c7a11","jsonrpc":"2.0","error":{"code":-32600,"message":"No handler defined for foo"}}"#
        );
        assert_eq!(
            answer(r#"{"id":7,"jsonrpc":"2.0"}"#),
            r#"{"id":"7","jsonrpc":"2.0","error":{"code":-32600,"message":"No handler defined for "}}"#
        );
        assert_eq!(
            answer(r#"{"id":null,"jsonrpc":"2.0","method":"é\"\\\n\u0001😀~\u007f"}"#),
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"No handler defined for \u00E9\"\\\n\u0001\uD83D\uDE00~\u007F"}}"#
        );
    }

    #[test]
    fn other_versions_and_other_texts() {
        for body in [r#"{"id":"a","method":"foo"}"#, r#"{"id":"a","jsonrpc":"1.0"}"#, r#"{"id":"a","jsonrpc":2.0}"#] {
            assert_eq!(
                answer(body),
                r#"{"id":"a","error":{"code":-32600,"message":"Must be valid json-rpc 2.0 see: http://www.jsonrpc.org/specification"}}"#
            );
        }
        let unparseable = answer("{\"id\":\"a\",");
        assert!(unparseable.starts_with(b"{\"error\":{\"code\":-32604,\"message\":\"EOF while parsing"), "{unparseable:?}");
        for body in ["", " ", "[]", "null", "\"text\"", "1"] {
            assert_eq!(answer_unknown_method(body.as_bytes()), Err(WireError::NotAnObject), "{body}");
        }
    }

    #[test]
    fn an_empty_message_is_left_out() {
        assert_eq!(error_document("a", true, INTERNAL_ERROR, ""), r#"{"id":"a","jsonrpc":"2.0","error":{"code":-32604}}"#);
    }

    #[test]
    fn nesting_is_bounded() {
        let body = format!("{{\"params\":{}", "[".repeat(100_000));
        assert!(answer(&body).starts_with(b"{\"error\":{\"code\":-32604"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_refused(body: Vec<u8>) {
            let _ = answer_unknown_method(&body);
        }

        #[test]
        fn any_text_makes_a_document_that_can_be_read(id: String, message: String) {
            let document: Value = serde_json::from_slice(&error_document(&id, true, 1, &message)).unwrap();
            prop_assert_eq!(document.get("id").and_then(Value::as_str).unwrap_or_default(), id);
            prop_assert_eq!(document["error"].get("message").and_then(Value::as_str).unwrap_or_default(), message);
        }
    }
}
