use proptest::prelude::*;

use super::*;

/// The text of the root, or the error.
fn root_text(body: &[u8]) -> Result<String, WireError> {
    let document = XmlText::decode(body)?;
    let mut reader = document.reader();
    reader.root()?;
    let text = reader.text()?.into_owned();
    reader.finish()?;
    Ok(text)
}

/// Reads everything, as a decoder that knows no element.
fn skip_all(body: &[u8]) -> Result<(), WireError> {
    let document = XmlText::decode(body)?;
    let mut reader = document.reader();
    reader.root()?;
    while reader.next_child()?.is_some() {
        reader.skip()?;
    }
    reader.finish()
}

#[test]
fn text_is_put_together_from_all_its_parts() {
    for (body, text) in [
        ("<a>x</a>", "x"),
        ("<a/>", ""),
        ("<a x='1' ></a >", ""),
        ("<a>&lt;b&gt; &amp; &quot;&apos;&#65;&#x1F600;</a>", "<b> & \"'A\u{1f600}"),
        ("<a><![CDATA[a<b>&c]]></a>", "a<b>&c"),
        ("<a>1<!-- c -->2<?pi x?>3</a>", "123"),
        ("<a> x </a>", " x "),
        ("<a>a\r\nb\rc\n</a>", "a\nb\nc\n"),
        ("<a>a&#13;&#10;b</a>", "a\r\nb"),
        ("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- c --><a>é</a>\n<!-- d -->\n", "é"),
        ("<?xml version ='1.0'?><a>x</a>", "x"),
    ] {
        assert_eq!(root_text(body.as_bytes()).as_deref(), Ok(text), "{body}");
    }
}

#[test]
fn white_space_alone_counts_as_nothing() {
    for (body, text) in [
        ("<a> \r\n\t</a>", ""),
        ("<a> <!-- c --> </a>", ""),
        ("<a>x<!-- c --> </a>", "x"),
        ("<a> <!-- c -->x</a>", "x"),
        ("<a> <![CDATA[ ]]> </a>", " "),
        ("<a>&#32;</a>", ""),
    ] {
        assert_eq!(root_text(body.as_bytes()).as_deref(), Ok(text), "{body}");
    }
}

#[test]
fn utf16_needs_its_mark_and_a_matching_claim() {
    let document = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-16\"?><a>é\u{1f600}</a>";
    let little: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = document.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(root_text(&little).as_deref(), Ok("é\u{1f600}"));
    assert_eq!(root_text(&big).as_deref(), Ok("é\u{1f600}"));
    assert!(matches!(root_text(document.as_bytes()), Err(WireError::Encoding(_))));
    assert!(matches!(root_text(&little[..little.len() - 1]), Err(WireError::Encoding(_))));
    assert!(matches!(root_text(b"\xff\xfe\x00\xd8<\x00"), Err(WireError::Encoding(_))));
    assert!(matches!(root_text(b"<a>\xff</a>"), Err(WireError::Encoding(_))));
}

#[test]
fn what_net_refuses_is_refused() {
    for body in [
        "",
        " ",
        "x",
        "x<a/>",
        "<a>",
        "<a",
        "<a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>x",
        "&amp;<a/>",
        "<a/>&amp;",
        " <?xml version='1.0'?><a/>",
        "<?xml version='1.1'?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<?xml version='1.0' encoding='iso-8859-1'?><a/>",
        "<a>&nbsp;</a>",
        "<a>&#1;</a>",
        "<a>&#xFFFE;</a>",
        "<a>&#xD800;</a>",
        "<a>& b</a>",
        "<a>\u{1}</a>",
        "<a>\u{ffff}</a>",
        "<a><!-- -- --></a>",
        "<1a/>",
        "<a:b/>",
        "<a b:c='1'/>",
        "<a b='1' b='2'/>",
        "<a b=1/>",
        "<a b/>",
        "<a b='&x;'/>",
        "<a b='<'/>",
        "<a b='&#2;'/>",
        "<a xmlns:b=''/>",
        "<a xmlns:b='u'><c/></a><b:d/>",
    ] {
        assert!(skip_all(body.as_bytes()).is_err(), "{body}");
    }
    for body in ["<!DOCTYPE a><a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"] {
        assert_eq!(skip_all(body.as_bytes()), Err(WireError::Doctype), "{body}");
    }
}

#[test]
fn a_child_inside_of_text_is_an_error() {
    assert!(matches!(root_text(b"<a>x<b/></a>"), Err(WireError::Xml { .. })));
}

#[test]
fn namespaces_are_known_by_their_declarations() {
    let document = XmlText::decode(b"<a xmlns:p='urn:p'><p:a/><b xmlns='urn:d'><a/></b><b xmlns=''/><c p:a='1'/></a>").unwrap();
    let mut reader = document.reader();
    assert!(reader.root().unwrap().is("a"));
    let foreign = reader.next_child().unwrap().unwrap();
    assert_eq!((foreign.name(), foreign.is("a")), ("p:a", false));
    reader.skip().unwrap();
    assert!(!reader.next_child().unwrap().unwrap().is("b"));
    assert!(!reader.next_child().unwrap().unwrap().is("a"));
    reader.skip().unwrap();
    assert!(reader.next_child().unwrap().is_none());
    assert!(reader.next_child().unwrap().unwrap().is("b"));
    reader.skip().unwrap();
    let attributed = reader.next_child().unwrap().unwrap();
    assert!(attributed.is("c") && attributed.has_attribute("p:a", "1") && !attributed.has_attribute("a", "1"));
}

#[test]
fn nil_is_known_by_its_namespace() {
    let nil = |body: &str| {
        let document = XmlText::decode(body.as_bytes()).unwrap();
        document.reader().root().map(|root| root.nil)
    };
    let instance = "http://www.w3.org/2001/XMLSchema-instance";
    assert_eq!(nil(&format!("<a xmlns:xsi='{instance}' xsi:nil='true'/>")), Ok(true));
    assert_eq!(nil(&format!("<a i:nil=' 1 ' xmlns:i='{instance}'/>")), Ok(true));
    assert_eq!(nil(&format!("<a i:nil='false' xmlns:i='{instance}'/>")), Ok(false));
    assert!(nil(&format!("<a i:nil='yes' xmlns:i='{instance}'/>")).is_err());
    assert_eq!(nil("<a i:nil='true' xmlns:i='urn:x'/>"), Ok(false));
    assert_eq!(nil("<a nil='true'/>"), Ok(false));
}

#[test]
fn depth_attributes_and_namespaces_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(skip_all(nested(MAX_DEPTH).as_bytes()), Ok(()));
    assert!(matches!(skip_all(nested(MAX_DEPTH + 1).as_bytes()), Err(WireError::TooMuch { .. })));

    let attributes = |count: usize| format!("<a {}/>", (0..count).map(|i| format!("b{i}='' ")).collect::<String>());
    assert_eq!(skip_all(attributes(MAX_ATTRIBUTES).as_bytes()), Ok(()));
    assert!(matches!(skip_all(attributes(MAX_ATTRIBUTES + 1).as_bytes()), Err(WireError::TooMuch { .. })));

    let declarations: String = (0..33).map(|i| format!("xmlns:b{i}='u' ")).collect();
    let nested = format!("<a {declarations}><b {declarations}/></a>");
    assert!(matches!(skip_all(nested.as_bytes()), Err(WireError::TooMuch { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let _ = skip_all(&body);
    }

    #[test]
    fn anything_like_xml_is_read_or_refused(body in "(<|>|/|\\?xml|a|b:|=|'|\"|&|;|#x|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<!DOCTYPE| xmlns:b=|é|\r\n){0,30}") {
        let _ = skip_all(body.as_bytes());
        let _ = root_text(body.as_bytes());
    }
}
