//! XML-RPC, as far as the dispatcher at `/` needs it: which method is called, and the fault that answers (transport.md section
//! 3.2).

use bytes::Bytes;

use super::error::WireError;
use super::xml_reader::XmlText;
use super::xml_writer::{in_one_allocation, put_text};

/// The method that a `methodCall` names. The whole document is read, so that one that is malformed further on is refused as well.
///
/// # Errors
/// The document is empty, malformed, another one, or names no method. The original answers 404 to all of them.
pub fn method_name(body: &[u8]) -> Result<String, WireError> {
    let document = XmlText::decode(body)?;
    let mut reader = document.reader();
    reader.expect_root("methodCall")?;
    let mut name = None;
    while let Some(child) = reader.next_child()? {
        if name.is_none() && child.is("methodName") {
            name = Some(reader.text()?);
        } else {
            reader.skip()?;
        }
    }
    let name = match name {
        Some(name) if !name.is_empty() => name.into_owned(),
        _ => return Err(reader.malformed("the methodCall names no method")),
    };
    reader.finish()?;
    Ok(name)
}

/// A fault: -32601 for an unknown method, -32603 for one that failed.
pub fn fault(code: i32, message: &str) -> Bytes {
    let code = code.to_string();
    in_one_allocation(|sink| {
        sink.put(b"<?xml version=\"1.0\" encoding=\"utf-8\"?><methodResponse><fault><value><struct>");
        sink.put(b"<member><name>faultCode</name><value><i4>");
        sink.put(code.as_bytes());
        sink.put(b"</i4></value></member><member><name>faultString</name><value>");
        if message.is_empty() {
            sink.put(b"<string />");
        } else {
            sink.put(b"<string>");
            put_text(sink, message);
            sink.put(b"</string>");
        }
        sink.put(b"</value></member></struct></value></fault></methodResponse>");
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_method_is_found() {
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><methodCall><methodName>get_region</methodName>\n<params><param><value>\
            <struct><member><name>region_uuid</name>\n<value><string>11111111-2222-3333-4444-555555555501</string></value></member>\
            </struct></value></param></params></methodCall>\n";
        assert_eq!(method_name(body.as_bytes()).as_deref(), Ok("get_region"));
        assert_eq!(method_name(b"<methodCall><params/><methodName>a&amp;b</methodName></methodCall>").as_deref(), Ok("a&b"));
    }

    #[test]
    fn what_names_no_method_is_refused() {
        for body in [
            "",
            "x",
            "<methodCall/>",
            "<methodCall><methodName/></methodCall>",
            "<methodCall><methodName> </methodName></methodCall>",
            "<methodCall><methodName>a</methodName>",
            "<methodCall><methodName>a</methodName><params></methodCall>",
            "<methodResponse><methodName>a</methodName></methodResponse>",
            "<!DOCTYPE x><methodCall><methodName>a</methodName></methodCall>",
        ] {
            assert!(method_name(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn faults() {
        assert_eq!(
            fault(-32601, "Requested method [foo] not found"),
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><methodResponse><fault><value><struct><member><name>faultCode</name><value>\
             <i4>-32601</i4></value></member><member><name>faultString</name><value><string>Requested method [foo] not \
             found</string></value></member></struct></value></fault></methodResponse>"
        );
        assert!(fault(-32603, "").ends_with(b"<value><string /></value></member></struct></value></fault></methodResponse>"));
        assert!(String::from_utf8_lossy(&fault(1, "a<b")).contains("<string>a&lt;b</string>"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _ = method_name(&body);
        }

        #[test]
        fn any_message_makes_a_document_that_can_be_read(message: String) {
            let document = fault(1, &message);
            let document = XmlText::decode(&document).unwrap();
            let mut reader = document.reader();
            reader.expect_root("methodResponse").unwrap();
            reader.skip().unwrap();
            reader.finish().unwrap();
        }
    }
}
