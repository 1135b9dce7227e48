use proptest::prelude::*;

use super::*;

/// Encodes and decodes.
fn again(id: u32, message: &Message<'_>) {
    let bytes = message.encode(id).unwrap();
    let (head, fields) = bytes.split_first_chunk().unwrap();
    let head = Head::read(head).unwrap();
    assert_eq!((head.id, head.fields, head.body), (id, fields.len(), message.body().len()));
    assert_eq!(Message::decode(&head, fields, message.body()).as_ref(), Ok(message));
    // What is cut short is noticed, wherever it is cut.
    for end in 0..fields.len() {
        assert!(Message::decode(&head, &fields[..end], message.body()).is_err(), "{end} of {}", fields.len());
    }
    let longer = [fields, &[0]].concat();
    assert!(Message::decode(&head, &longer, message.body()).is_err());
}

fn request() -> Request<'static> {
    Request {
        service: "asset",
        method: "POST",
        path: "/assets/x",
        matched: 7,
        query: "a=b",
        peer: "127.0.0.1",
        headers: vec![("content-type", "text/xml"), ("x", "")],
        body: &[0, 255],
    }
}

#[test]
fn every_message_comes_back() {
    let own = Section { name: "Plugin:x", entries: vec![("A", "1"), ("A", "2"), ("Möbel", "ü")] };
    let texts = Texts { own: own.clone(), others: vec![Section { name: "y", entries: vec![] }, own] };
    let response = Response { status: 404, headers: vec![("a", "b")], body: b"none" };
    let load = Load { file: "libx.so", sha256: "00", allow_unmarked: true, memory: u64::MAX, open_files: 7 };
    for message in [
        Message::Load(load),
        Message::Loaded { properties: vec![("name", "x"), ("services", "y,z")], has_commands: true },
        Message::Refused { code: 22, what: "the table", expected: "one", found: "null" },
        Message::Create(texts.clone()),
        Message::Created { status: 0, routes: vec![Route { service: "x", method: "GET", prefix: "/x" }] },
        Message::Handle(request()),
        Message::Reconfigure(texts),
        Message::Health,
        Message::Command("show all"),
        Message::Destroy,
        Message::Log { level: -1, text: "a\nb" },
        Message::Output("line\n"),
        Message::MetricAdd { name: "n", amount: u64::MAX },
        Message::CallService(Request { body: &[], ..request() }),
        Message::Done(-5),
        Message::Text { status: 0, text: "" },
        Message::Served { status: 255, response: Response::default() },
        Message::Served { status: 0, response },
        Message::Broken("a body without a pointer"),
    ] {
        again(7, &message);
    }
}

#[test]
fn frames_are_taken_off_what_arrives() {
    let messages = [Message::Handle(request()), Message::Health, Message::Output("x")];
    let bytes: Vec<u8> =
        (1..).zip(&messages).flat_map(|(id, message)| [message.encode(id).unwrap(), message.body().to_vec()].concat()).collect();
    let mut arrived = BytesMut::new();
    let mut taken = Vec::new();
    for byte in bytes {
        arrived.extend_from_slice(&[byte]);
        while let Some(frame) = Frame::take(&mut arrived).unwrap() {
            taken.push(frame);
        }
    }
    assert!(arrived.is_empty());
    assert_eq!(taken.iter().map(Frame::id).collect::<Vec<_>>(), [1, 2, 3]);
    let read: Vec<_> = taken.iter().map(|frame| frame.message().unwrap()).collect();
    assert_eq!(read, messages);
    assert_eq!(taken[0].body(), [0, 255][..]);
    assert!(Frame::new(taken[0].head, Bytes::from_static(b"short")).message().is_err());
    assert!(Frame::take(&mut BytesMut::from(&[1_u8; HEAD][..])).is_err());
}

#[test]
fn a_frame_has_these_bytes() {
    let message = Message::Served { status: 0, response: Response { status: 200, headers: vec![("a", "bc")], body: b"xyz" } };
    let expected = [
        &[17, 0, 0, 0, 0x04, 0x03, 0x02, 0x01, 21, 0, 0, 0, 3, 0, 0, 0][..],
        &[0, 0, 0, 0, 200, 0, 1, 0, 0, 0, 1, 0, 0, 0, b'a', 2, 0, 0, 0, b'b', b'c'],
    ];
    assert_eq!(message.encode(0x0102_0304).unwrap(), expected.concat());
    assert_eq!(message.body(), b"xyz");
}

#[test]
fn what_is_too_long_is_not_sent() {
    let long = "x".repeat(MAX_FIELDS);
    assert_eq!(Message::Output(&long).encode(1), Err(TooLarge));
    assert!(Message::Output(&long[4..]).encode(1).is_ok());
    let body = vec![0; MAX_BODY + 1];
    assert_eq!(Message::Handle(Request { body: &body, ..request() }).encode(1), Err(TooLarge));
    assert!(Message::Handle(Request { body: &body[1..], ..request() }).encode(1).is_ok());
}

#[test]
fn what_is_broken_is_refused() {
    let head = |kind: u8, fields: u32, body: u32| {
        let mut bytes = [0; HEAD];
        bytes[0] = kind;
        bytes[8..12].copy_from_slice(&fields.to_le_bytes());
        bytes[12..].copy_from_slice(&body.to_le_bytes());
        bytes
    };
    assert!(Head::read(&head(8, MAX_FIELDS as u32, MAX_BODY as u32)).is_ok());
    assert!(Head::read(&head(8, MAX_FIELDS as u32 + 1, 0)).is_err());
    assert!(Head::read(&head(8, 0, MAX_BODY as u32 + 1)).is_err());
    let mut odd = head(8, 0, 0);
    odd[2] = 1;
    assert!(Head::read(&odd).is_err());
    let decode = |kind, fields: &[u8], body: &[u8]| {
        let head = Head::read(&head(kind, fields.len() as u32, body.len() as u32)).unwrap();
        Message::decode(&head, fields, body).map(|_| ()).map_err(|Malformed(what)| what)
    };
    assert_eq!(decode(8, &[], &[]), Ok(()));
    assert_eq!(decode(8, &[], &[0]), Err("a body where none belongs"));
    assert_eq!(decode(0, &[], &[]), Err("a message of an unknown kind"));
    assert_eq!(decode(19, &[], &[]), Err("a message of an unknown kind"));
    assert_eq!(decode(9, &[1, 0, 0, 0, 0xff], &[]), Err("a text that is not UTF-8"));
    assert_eq!(decode(9, &[2, 0, 0, 0, b'x'], &[]), Err("a text that ends too early"));
    // A count that would be memory for four thousand million pairs.
    assert_eq!(decode(2, &[255, 255, 255, 255, 0, 0], &[]), Err("a list that ends too early"));
    assert_eq!(decode(2, &[0, 0, 0, 0, 2], &[]), Err("a flag that is neither set nor unset"));
}

proptest! {
    #[test]
    fn any_request_and_response_comes_back(
        id: u32,
        texts: [String; 5],
        headers in proptest::collection::vec(any::<(String, String)>(), 0..5),
        body: Vec<u8>,
        numbers: (i32, u16, u32),
    ) {
        let [service, method, path, query, peer] = texts.each_ref().map(String::as_str);
        let headers: Vec<Pair<'_>> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = Response { status: numbers.1, headers: headers.clone(), body: &body };
        again(id, &Message::Handle(Request { service, method, path, matched: numbers.2, query, peer, headers, body: &body }));
        again(id, &Message::Served { status: numbers.0, response });
    }
}
