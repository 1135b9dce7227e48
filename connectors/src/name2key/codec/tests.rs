use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::name2key::{Grid, NameEntry, NameSource, NameStatistics, Registration};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::wire::WireError;
use crate::wire::form::Form;

const ANN: Uuid = Uuid::from_u128(0xa55e7010_0000_4000_8000_000000000001);
const BOB: Uuid = Uuid::from_u128(0xa55e7010_0000_4000_8000_000000000002);

fn ann() -> NameEntry {
    NameEntry {
        key: ANN,
        name: "Ann & <Bee>".to_owned(),
        grid: Grid("Production".to_owned()),
        first_seen: 1_700_000_000,
        last_seen: 1_700_000_001,
        source: NameSource::Import,
        verified: false,
    }
}

fn decode(body: &[u8]) -> Result<Call, CodecError> {
    let form = Form::decode(body)?;
    Call::decode(Method::of(&form)?, &form)
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

fn grid(text: &str) -> Grid {
    Grid(text.to_owned())
}

#[test]
fn requests_are_written_as_documented() {
    let registration = Registration { name: "Ann Bee".to_owned(), key: ANN, grid: grid(""), verified: true };
    for (call, body) in [
        (Call::GetKey { name: "Ann Bee".to_owned(), asker: None }, "METHOD=get_key&NAME=Ann+Bee"),
        (
            Call::GetKeys { names: vec!["a".to_owned(), String::new()], asker: Some(grid("Production")) },
            "METHOD=get_keys&NAMES[]=a&NAMES[]=&GRID=Production",
        ),
        (Call::GetName { key: ANN, asker: Some(grid("")) }, "METHOD=get_name&KEY=a55e7010-0000-4000-8000-000000000001&GRID"),
        (Call::GetNames { keys: vec![BOB], asker: None }, "METHOD=get_names&KEYS[]=a55e7010-0000-4000-8000-000000000002"),
        (Call::Find { prefix: "Gwyn".to_owned(), limit: 10 }, "METHOD=find&PREFIX=Gwyn&LIMIT=10"),
        (
            Call::Register(registration),
            "METHOD=register&NAME=Ann+Bee&KEY=a55e7010-0000-4000-8000-000000000001&GRID&VERIFIED=True",
        ),
        (Call::Forget { key: ANN, grid: None }, "METHOD=forget&KEY=a55e7010-0000-4000-8000-000000000001"),
        (Call::Entries { after: None, limit: 1 }, "METHOD=entries&LIMIT=1"),
        (
            Call::Entries { after: Some((ANN, grid("production"))), limit: 10_000 },
            "METHOD=entries&AFTER=a55e7010-0000-4000-8000-000000000001&AFTERGRID=production&LIMIT=10000",
        ),
        (Call::Statistics, "METHOD=statistics"),
    ] {
        assert_eq!(text(&call.encode()), body);
        assert_eq!(decode(body.as_bytes()).as_ref(), Ok(&call), "{body}");
    }
}

#[test]
fn a_registration_is_not_verified_unless_it_says_so() {
    let request = |rest: &str| decode(format!("METHOD=register&NAME=a&KEY={ANN}&GRID=x{rest}").as_bytes());
    for (rest, verified) in [("", false), ("&VERIFIED=False", false), ("&VERIFIED=true", true)] {
        assert!(matches!(request(rest), Ok(Call::Register(registration)) if registration.verified == verified), "{rest}");
    }
    assert!(matches!(request("&VERIFIED=1"), Err(CodecError::Wire(WireError::Value { element: "VERIFIED", .. }))));
}

#[test]
fn entries_are_one_document() {
    let document = "<?xml version=\"1.0\"?><ServerResponse><ENTRIES type=\"List\"><entry_0 type=\"List\">\
                    <KEY>a55e7010-0000-4000-8000-000000000001</KEY><NAME>Ann &amp; &lt;Bee&gt;</NAME><GRID>Production</GRID>\
                    <FIRSTSEEN>1700000000</FIRSTSEEN><LASTSEEN>1700000001</LASTSEEN><SOURCE>import</SOURCE>\
                    <VERIFIED>False</VERIFIED></entry_0></ENTRIES></ServerResponse>";
    assert_eq!(text(&encode_entries(&[ann()])), document);
    assert_eq!(decode_entries(document.as_bytes()), Ok(vec![ann()]));
    let nothing = "<?xml version=\"1.0\"?><ServerResponse><ENTRIES type=\"List\" /></ServerResponse>";
    assert_eq!(text(&encode_entries(&[])), nothing);
    assert_eq!(decode_entries(nothing.as_bytes()), Ok(Vec::new()));
}

#[test]
fn several_answers_stand_in_the_order_of_the_request() {
    let answers = [vec![], vec![ann(), ann()], vec![]];
    let document = encode_answers(&answers);
    assert!(text(&document).starts_with(
        "<?xml version=\"1.0\"?><ServerResponse><ANSWERS type=\"List\"><answer_0 type=\"List\" /><answer_1 type=\"List\">\
         <entry_0 type=\"List\"><KEY>"
    ));
    assert!(text(&document).ends_with("</entry_1></answer_1><answer_2 type=\"List\" /></ANSWERS></ServerResponse>"));
    assert_eq!(decode_answers(&document, 3).as_deref(), Ok(&answers[..]));
    assert_eq!(decode_answers(&document, 2), Err(CodecError::Count { expected: 2, found: 3 }));
}

#[test]
fn results_counts_and_statistics() {
    let taken = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>True</RESULT>\n</ServerResponse>";
    assert_eq!(text(&encode_registered(true)), taken);
    assert_eq!(decode_registered(&encode_registered(true)), Ok(true));
    assert_eq!(decode_registered(&encode_registered(false)), Ok(false));
    assert_eq!(text(&encode_forgotten(3)), "<?xml version=\"1.0\"?><ServerResponse><COUNT>3</COUNT></ServerResponse>");
    assert_eq!(decode_forgotten(&encode_forgotten(3)), Ok(3));
    let statistics =
        NameStatistics { entries: vec![("production".to_owned(), 9), (String::new(), 1)], shared_names: 2, bytes: Some(4096) };
    assert_eq!(
        text(&encode_statistics(&statistics)),
        "<?xml version=\"1.0\"?><ServerResponse><GRIDS type=\"List\"><grid_0 type=\"List\"><GRID>production</GRID><ENTRIES>9</ENTRIES>\
         </grid_0><grid_1 type=\"List\"><GRID></GRID><ENTRIES>1</ENTRIES></grid_1></GRIDS><SHAREDNAMES>2</SHAREDNAMES>\
         <BYTES>4096</BYTES></ServerResponse>"
    );
    for statistics in [statistics, NameStatistics::default()] {
        assert_eq!(decode_statistics(&encode_statistics(&statistics)), Ok(statistics));
    }
}

#[test]
fn failures_carry_their_kind_and_are_no_answers() {
    let document =
        "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>False</RESULT>\n  <ERROR>unavailable</ERROR>\n</ServerResponse>";
    assert_eq!(text(&encode_failure(ErrorKind::Unavailable)), document);
    for kind in [ErrorKind::Invalid, ErrorKind::Refused, ErrorKind::Unavailable, ErrorKind::Internal] {
        let document = encode_failure(kind);
        assert_eq!(decode_entries(&document), Err(CodecError::Failure(kind)));
        assert_eq!(decode_answers(&document, 0), Err(CodecError::Failure(kind)));
        assert_eq!(decode_registered(&document), Err(CodecError::Failure(kind)));
        assert_eq!(decode_forgotten(&document), Err(CodecError::Failure(kind)));
        assert_eq!(decode_statistics(&document), Err(CodecError::Failure(kind)));
    }
    let unknown = b"<ServerResponse><RESULT>False</RESULT><ERROR>tired</ERROR></ServerResponse>";
    assert_eq!(decode_entries(unknown), Err(CodecError::Failure(ErrorKind::Internal)));
}

#[test]
fn answers_that_lack_something_are_errors_and_never_nothing() {
    for body in ["", "<html></html>", "<ServerResponse><ENTRIES type=\"List\">", "{}"] {
        assert!(matches!(decode_entries(body.as_bytes()), Err(CodecError::Wire(_))), "{body}");
    }
    assert_eq!(decode_entries(b"<ServerResponse />"), Err(CodecError::Missing("ENTRIES")));
    assert_eq!(decode_entries(b"<ServerResponse><ENTRIES>x</ENTRIES></ServerResponse>"), Err(CodecError::Missing("ENTRIES")));
    assert_eq!(decode_answers(b"<ServerResponse />", 0), Err(CodecError::Missing("ANSWERS")));
    assert_eq!(decode_registered(b"<ServerResponse />"), Err(CodecError::Missing("RESULT")));
    let document = encode_entries(&[ann()]);
    let document = text(&document);
    for name in ["KEY", "NAME", "GRID", "FIRSTSEEN", "LASTSEEN", "SOURCE", "VERIFIED"] {
        let without = document.replace(&format!("{name}>"), "OTHER>");
        assert_eq!(decode_entries(without.as_bytes()), Err(CodecError::Missing(name)));
    }
    for (right, wrong) in [
        ("a55e7010", "x55e7010"),
        (">1700000000<", "> <"),
        (">1700000001<", ">99999999999999999999<"),
        ("import", "rumour"),
        ("False", "No"),
    ] {
        let document = document.replace(right, wrong);
        assert!(matches!(decode_entries(document.as_bytes()), Err(CodecError::Wire(WireError::Value { .. }))), "{wrong}");
    }
}

fn any_entry() -> impl Strategy<Value = NameEntry> {
    let source = prop_oneof![Just(NameSource::Import), Just(NameSource::Registration), Just(NameSource::Account)];
    // Names and grids have no control characters, and are not white space alone.
    let text = || "[^\\p{Cc}\u{fffe}\u{ffff}]{1,20}".prop_filter("blank", |text| !text.trim().is_empty());
    (any::<u128>(), text(), text(), any::<i64>(), any::<i64>(), source, any::<bool>()).prop_map(
        |(key, name, grid, first_seen, last_seen, source, verified)| NameEntry {
            key: Uuid::from_u128(key),
            name,
            grid: Grid(grid),
            first_seen,
            last_seen,
            source,
            verified,
        },
    )
}

proptest! {
    #[test]
    fn answers_come_back(answers in prop::collection::vec(prop::collection::vec(any_entry(), 0..3), 0..4)) {
        prop_assert_eq!(decode_answers(&encode_answers(&answers), answers.len()).unwrap(), answers.clone());
        for entries in answers {
            prop_assert_eq!(decode_entries(&encode_entries(&entries)).unwrap(), entries);
        }
    }

    #[test]
    fn registrations_come_back(name in ".{0,60}", key: u128, grid in ".{0,60}", verified: bool) {
        let call = Call::Register(Registration { name, key: Uuid::from_u128(key), grid: Grid(grid), verified });
        prop_assert_eq!(decode(&call.encode()).unwrap(), call);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let _ = decode(&body);
        let _ = decode_entries(&body);
    }
}
