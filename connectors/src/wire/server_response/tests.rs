use proptest::prelude::*;

use super::*;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn list<const N: usize>(entries: [(&str, Value); N]) -> List {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn data_form() {
    let mut response = ServerResponseWriter::new();
    response.begin_list("result");
    response.text("FirstName", "Ada");
    response.text("UserTitle", "");
    response.boolean("LocalToGrid", true);
    response.end_list();
    assert_eq!(
        response.finish(),
        "<?xml version=\"1.0\"?><ServerResponse><result type=\"List\"><FirstName>Ada</FirstName><UserTitle></UserTitle>\
         <LocalToGrid>True</LocalToGrid></result></ServerResponse>"
    );
}

#[test]
fn empty_forms_and_odd_names() {
    assert_eq!(ServerResponseWriter::new().finish(), "<?xml version=\"1.0\"?><ServerResponse />");

    let mut response = ServerResponseWriter::new();
    response.begin_list("FOLDERS");
    response.end_list();
    response.begin_list("a b");
    response.begin_list("1");
    response.number("Wearable 0:0", -7);
    response.text("x", "a<b\u{1}");
    response.end_list();
    response.end_list();
    response.end_list();
    response.boolean("", false);
    response.begin_list("open");
    assert_eq!(
        response.finish(),
        "<?xml version=\"1.0\"?><ServerResponse><FOLDERS type=\"List\" /><a_x0020_b type=\"List\"><_x0031_ type=\"List\">\
         <Wearable_x0020_0_x003A_0>-7</Wearable_x0020_0_x003A_0><x>a&lt;b</x></_x0031_></a_x0020_b><_>False</_>\
         <open type=\"List\" /></ServerResponse>"
    );
}

#[test]
fn result_form() {
    assert_eq!(
        result_document(&[("result", "Success")]),
        "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <result>Success</result>\n</ServerResponse>"
    );
    // The sample of (transport.md section 1.4) has this length.
    assert_eq!(result_document(&[("result", "Success")]).len(), 83);
    assert_eq!(
        result_document(&[("Result", "Failure"), ("Message", "Unknown region")]),
        "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <Result>Failure</Result>\n  <Message>Unknown region</Message>\n</ServerResponse>"
    );
    let empty_message = result_document(&[("Result", "Failure"), ("Message", "")]);
    assert_eq!(
        empty_message,
        "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <Result>Failure</Result>\n  <Message>\n  </Message>\n</ServerResponse>"
    );
    assert_eq!(read(&empty_message).unwrap(), list([("Result", text("Failure")), ("Message", text(""))]));
}

#[test]
fn all_forms_are_read() {
    let read = |body: &str| read(body.as_bytes()).unwrap();
    assert_eq!(read("<?xml version=\"1.0\"?><ServerResponse />"), List::default());
    assert_eq!(
        read("<?xml version =\"1.0\"?><ServerResponse><result>Failure</result></ServerResponse>"),
        list([("result", text("Failure"))])
    );
    let response = read(
        "\u{feff}<x><y/><ServerResponse>\n <!-- c --> <FOLDERS type='List'><folder_0 type='List'><Name>a &amp; b</Name><Empty/>\
         </folder_0></FOLDERS><a_x0020_b type='list'><![CDATA[<]]>c</a_x0020_b><RESULT type='List' /></ServerResponse>garbage",
    );
    let folder = list([("Name", text("a & b")), ("Empty", text(""))]);
    assert_eq!(
        response,
        list([
            ("FOLDERS", Value::List(list([("folder_0", Value::List(folder))]))),
            ("a b", text("<c")),
            ("RESULT", Value::List(List::default())),
        ])
    );
    assert_eq!(response.list("FOLDERS").unwrap().list("folder_0").unwrap().text("Name"), Some("a & b"));
    assert_eq!((response.text("FOLDERS"), response.list("a b"), response.get("none")), (None, None, None));
}

#[test]
fn of_equal_names_the_last_value_wins() {
    let body = "<ServerResponse><a>1</a><b>2</b><a>3</a><c>4</c><a>5</a><b type='List'/></ServerResponse>";
    let expected = list([("a", text("5")), ("b", Value::List(List::default())), ("c", text("4"))]);
    assert_eq!(read(body.as_bytes()).unwrap(), expected);
    assert_eq!(expected.entries().len(), 3);
}

#[test]
fn what_cannot_be_read() {
    for body in [
        "",
        "True",
        "<Response/>",
        "<ServerResponse>",
        "<ServerResponse><a></ServerResponse>",
        "<ServerResponse><a><b/></a></ServerResponse>",
        "<ServerResponse><a>&#x1;</a></ServerResponse>",
        "<ServerResponse><a>&x;</a></ServerResponse>",
        "<!DOCTYPE a><ServerResponse/>",
    ] {
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
    let deep = "<a type='List'>".repeat(100);
    assert!(matches!(read(format!("<ServerResponse>{deep}").as_bytes()), Err(WireError::TooMuch { .. })));
    assert!(matches!(read(&vec![b' '; MAX_LENGTH + 1]), Err(WireError::TooMuch { .. })));
}

fn any_value() -> impl Strategy<Value = Value> {
    // Text as a reader gives it: without CR, not only white space, and without what no document can contain.
    let text = "([^\u{0}-\u{20}\u{fffe}\u{ffff}][^\u{0}-\u{8}\u{b}-\u{1f}\u{fffe}\u{ffff}]*)?".prop_map(Value::Text);
    text.prop_recursive(4, 40, 6, |value| any_list(value).prop_map(Value::List))
}

fn any_list(value: impl Strategy<Value = Value>) -> impl Strategy<Value = List> {
    prop::collection::vec((".+", value), 0..6).prop_map(List::from_iter)
}

fn write_list(response: &mut ServerResponseWriter, list: &List) {
    for (name, value) in list.entries() {
        match value {
            Value::Text(text) => response.text(name, text),
            Value::List(list) => {
                response.begin_list(name);
                write_list(response, list);
                response.end_list();
            }
        }
    }
}

proptest! {
    #[test]
    fn dictionaries_come_back(list in any_list(any_value())) {
        let mut response = ServerResponseWriter::new();
        write_list(&mut response, &list);
        prop_assert_eq!(read(&response.finish()).unwrap(), list);
    }

    #[test]
    fn any_text_makes_a_document_that_can_be_read(name: String, value: String) {
        let mut response = ServerResponseWriter::new();
        response.text(&name, &value);
        prop_assert_eq!(read(&response.finish()).unwrap().entries().len(), 1);
        prop_assert_eq!(read(&result_document(&[("Message", &value)])).unwrap().entries().len(), 1);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let _ = read(&body);
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(at in 0..200_usize, byte: u8) {
        let mut response = ServerResponseWriter::new();
        response.begin_list("result");
        response.text("a b", "c&d");
        let mut body = response.finish().to_vec();
        let at = at % body.len();
        body[at] = byte;
        let _ = read(&body);
    }
}
