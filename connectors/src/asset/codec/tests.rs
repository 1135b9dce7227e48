use proptest::prelude::*;

use super::*;

const HEAD: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>";
const NS: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"";
const ID: Uuid = Uuid::from_u128(0x11111111_2222_3333_4444_555555555555);

fn texture() -> Asset {
    let metadata = AssetMetadata {
        id: ID,
        name: "my texture".to_owned(),
        description: String::new(),
        created: None,
        asset_type: 0,
        local: false,
        temporary: false,
        creator: Some("aaaaaaaa-0000-0000-0000-000000000001".to_owned()),
        flags: AssetFlags::NORMAL,
    };
    Asset { metadata, data: Some(Bytes::from_static(&[0, 1, 2, 3, 4, 5])) }
}

fn decode(body: &str) -> DecodedAsset {
    decode_asset(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// The asset of a document with these elements.
fn members(elements: &str) -> DecodedAsset {
    decode(&format!("<AssetBase xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>{elements}</AssetBase>"))
}

fn metadata(elements: &str) -> AssetMetadata {
    members(elements).asset.metadata
}

#[test]
fn the_asset_document() {
    let indented = format!(
        "{HEAD}\n<AssetBase {NS}>\n  <Data>AAECAwQF</Data>\n  <FullID>\n    <Guid>11111111-2222-3333-4444-555555555555</Guid>\n  \
         </FullID>\n  <ID>11111111-2222-3333-4444-555555555555</ID>\n  <Name>my texture</Name>\n  <Description />\n  \
         <Type>0</Type>\n  <UploadAttempts>0</UploadAttempts>\n  <Local>false</Local>\n  <Temporary>false</Temporary>\n  \
         <CreatorID>aaaaaaaa-0000-0000-0000-000000000001</CreatorID>\n  <Flags>Normal</Flags>\n</AssetBase>"
    );
    let compact = format!(
        "{HEAD}<AssetBase {NS}><Data>AAECAwQF</Data><FullID><Guid>11111111-2222-3333-4444-555555555555</Guid></FullID>\
         <ID>11111111-2222-3333-4444-555555555555</ID><Name>my texture</Name><Description /><Type>0</Type>\
         <UploadAttempts>0</UploadAttempts><Local>false</Local><Temporary>false</Temporary>\
         <CreatorID>aaaaaaaa-0000-0000-0000-000000000001</CreatorID><Flags>Normal</Flags></AssetBase>"
    );
    assert_eq!(encode_asset(&texture(), Style::Indented).unwrap(), indented);
    assert_eq!(encode_asset(&texture(), Style::Compact).unwrap(), compact);
    for document in [indented, compact] {
        assert_eq!(decode(&document), DecodedAsset { asset: texture(), id_text: ID.to_string() });
    }
}

#[test]
fn the_asset_document_at_its_emptiest_and_fullest() {
    let mut asset = texture();
    asset.data = None;
    asset.metadata.creator = None;
    asset.metadata.name = "Émile's <note> & \"日本語\"\u{1}".to_owned();
    asset.metadata.asset_type = -2;
    asset.metadata.local = true;
    asset.metadata.temporary = true;
    asset.metadata.flags = AssetFlags(5);
    assert_eq!(
        encode_asset(&asset, Style::Compact).unwrap(),
        format!(
            "{HEAD}<AssetBase {NS}><FullID><Guid>11111111-2222-3333-4444-555555555555</Guid></FullID>\
             <ID>11111111-2222-3333-4444-555555555555</ID><Name>Émile's &lt;note&gt; &amp; \"日本語\"</Name><Description />\
             <Type>-2</Type><UploadAttempts>0</UploadAttempts><Local>true</Local><Temporary>true</Temporary>\
             <Flags>Maptile Collectable</Flags></AssetBase>"
        )
    );
    asset.data = Some(Bytes::new());
    let document = encode_asset(&asset, Style::Indented).unwrap();
    assert!(document.starts_with(format!("{HEAD}\n<AssetBase {NS}>\n  <Data />\n  <FullID>").as_bytes()));

    asset.metadata.flags = AssetFlags(9);
    assert_eq!(encode_asset(&asset, Style::Indented), Err(WireError::NamelessFlags(9)));
    assert_eq!(encode_metadata(&asset.metadata), Err(WireError::NamelessFlags(9)));
}

#[test]
fn the_metadata_document() {
    let mut metadata = texture().metadata;
    let document = format!(
        "{HEAD}\n<AssetMetadata {NS}>\n  <FullID>\n    <Guid>11111111-2222-3333-4444-555555555555</Guid>\n  </FullID>\n  \
         <ID>11111111-2222-3333-4444-555555555555</ID>\n  <Name>my texture</Name>\n  <Description />\n  \
         <CreationDate>0001-01-01T00:00:00</CreationDate>\n  <Type>0</Type>\n  <ContentType>image/x-j2c</ContentType>\n  \
         <Local>false</Local>\n  <Temporary>false</Temporary>\n  <CreatorID>aaaaaaaa-0000-0000-0000-000000000001</CreatorID>\n  \
         <Flags>Normal</Flags>\n</AssetMetadata>"
    );
    assert_eq!(encode_metadata(&metadata).unwrap(), document);
    assert_eq!(decode_metadata(document.as_bytes()).unwrap(), metadata);

    metadata.created = Some(1_500_000_000);
    metadata.creator = None;
    let document = encode_metadata(&metadata).unwrap();
    assert!(String::from_utf8_lossy(&document).contains("<CreationDate>2017-07-14T02:40:00Z</CreationDate>"));
    assert_eq!(decode_metadata(&document).unwrap(), metadata);
}

#[test]
fn the_content_type_sets_the_type() {
    let asset_type = |elements: &str| {
        decode_metadata(format!("<AssetMetadata>{elements}</AssetMetadata>").as_bytes()).map(|metadata| metadata.asset_type)
    };
    assert_eq!(asset_type("<Type>18</Type><ContentType>image/tga</ContentType>"), Ok(12));
    assert_eq!(asset_type("<ContentType>image/jp2</ContentType>"), Ok(0));
    assert_eq!(asset_type("<Type>56</Type><ContentType>application/octet-stream</ContentType>"), Ok(56));
    assert_eq!(asset_type("<ContentType>image/tga</ContentType><Type>18</Type>"), Ok(18));
    assert_eq!(asset_type("<SHA1>x</SHA1><Data>@</Data><Type>1</Type>"), Ok(1));
    assert!(decode_metadata(b"<AssetMetadata><CreationDate>now</CreationDate></AssetMetadata>").is_err());
    assert!(decode_metadata(b"<AssetBase/>").is_err());
}

#[test]
fn missing_elements_have_their_defaults() {
    let decoded = members("");
    assert_eq!(decoded.id_text, "00000000-0000-0000-0000-000000000000");
    assert_eq!(decoded.asset.data, None);
    let expected = AssetMetadata {
        id: Uuid::nil(),
        name: String::new(),
        description: String::new(),
        created: None,
        asset_type: -1,
        local: false,
        temporary: false,
        creator: Some(String::new()),
        flags: AssetFlags::NORMAL,
    };
    assert_eq!(decoded.asset.metadata, expected);
    assert_eq!(decode_asset_answer(b"<AssetBase/>").unwrap().asset.metadata.creator, None);
}

#[test]
fn ids_set_each_other_in_document_order() {
    const OTHER: &str = "aaaaaaaa-0000-0000-0000-000000000002";
    let full = |id: &str| format!("<FullID><Guid>{id}</Guid></FullID>");
    let ids = |elements: String| {
        let decoded = members(&elements);
        (decoded.asset.metadata.id.to_string(), decoded.id_text)
    };
    let (id, zero) = (ID.to_string(), Uuid::nil().to_string());
    let both = |text: &str| (text.to_owned(), text.to_owned());
    assert_eq!(ids(format!("<ID>{OTHER}</ID>")), both(OTHER));
    assert_eq!(ids(full(&id)), both(&id));
    assert_eq!(ids(full(&id) + &format!("<ID>{OTHER}</ID>")), both(OTHER));
    assert_eq!(ids(format!("<ID>{OTHER}</ID>") + &full(&id)), both(&id));
    assert_eq!(ids(full(&id) + "<ID>free text</ID>"), (id.clone(), "free text".to_owned()));
    assert_eq!(ids("<ID>free text</ID>".to_owned() + &full(&id)), both(&id));
    assert_eq!(ids("<ID>free text</ID>".to_owned()), (zero.clone(), "free text".to_owned()));
    assert_eq!(ids(full(&id) + "<ID/>"), both(&id));
    assert_eq!(ids("<ID> 11111111222233334444555555555555 </ID>".to_owned()), both(&id));
    assert_eq!(ids("<ID>AAAAAAAA-0000-0000-0000-000000000002</ID>".to_owned()), both(OTHER));
    assert_eq!(ids(format!("<ID>{OTHER}</ID><FullID/>")), both(&zero));
    assert_eq!(ids(format!("<FullID>{OTHER}</FullID>")), both(&zero));
    assert_eq!(ids(format!("<FullID>x<a/><Guid>{id}</Guid><Guid>bad</Guid></FullID>")), both(&id));
}

#[test]
fn of_a_repeated_element_the_first_counts() {
    let decoded = members("<Name>1</Name><Type>7</Type><Name>2</Name><Type>bad</Type><Data>AA==</Data><Data>@</Data>");
    assert_eq!((&*decoded.asset.metadata.name, decoded.asset.metadata.asset_type), ("1", 7));
    assert_eq!(decoded.asset.data.unwrap(), [0_u8][..]);
    assert_eq!(metadata("<Name xsi:nil='1'/><Name>2</Name>").name, "");
}

#[test]
fn unknown_and_foreign_elements_are_passed_over_whole() {
    let decoded = members(
        "<!-- c --> text <Extra a='1'><Name>no</Name><b><Data>@</Data></b></Extra><x:Name xmlns:x='urn:x'>no</x:Name>\
         <Type xmlns='urn:x'>no</Type><name>no</name><ContentType>no</ContentType><?pi?><Name b='1'>yes</Name>",
    );
    assert_eq!((&*decoded.asset.metadata.name, decoded.asset.metadata.asset_type), ("yes", -1));
}

#[test]
fn nil_leaves_the_default() {
    let decoded = members(
        "<Data xsi:nil='true'>@</Data><ID xsi:nil='true'/><Name xsi:nil='true'><a/></Name><CreatorID xsi:nil='true'/>\
         <Description xsi:nil='false'>d</Description>",
    );
    assert_eq!((decoded.asset.data, &*decoded.asset.metadata.name, &*decoded.asset.metadata.description), (None, "", "d"));
    let nil = "<AssetBase xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:nil='true'/>";
    assert_eq!(decode_asset(nil.as_bytes()), Err(WireError::NilRoot));
}

#[test]
fn scalar_elements() {
    assert_eq!(metadata("<Type> 7 </Type>").asset_type, 7);
    assert_eq!(metadata("<Type>-128</Type>").asset_type, -128);
    assert_eq!(metadata("<Flags/>").flags, AssetFlags::NORMAL);
    assert_eq!(metadata("<Flags>\n Maptile  Normal Collectable </Flags>").flags, AssetFlags(5));
    let flags = metadata("<Local>1</Local><Temporary> true </Temporary>");
    assert!(flags.local && flags.temporary);
    let flags = metadata("<Local>0</Local><Temporary>false</Temporary>");
    assert!(!flags.local && !flags.temporary);
}

#[test]
fn texts_and_data() {
    assert_eq!(metadata("<Name>a\r\nb</Name>").name, "a\nb");
    assert_eq!(metadata("<Name> \r\n </Name>").name, "");
    assert_eq!(metadata("<Name> a </Name>").name, " a ");
    assert_eq!(metadata("<Name><![CDATA[a<b>&c]]></Name>").name, "a<b>&c");
    assert_eq!(metadata("<Name>&lt;&#233;&gt;<!-- c -->x</Name>").name, "<é>x");
    let data = |text: &str| members(&format!("<Data>{text}</Data>")).asset.data.unwrap();
    assert_eq!(data("\r\n  aGVs\r\n  bG8=\r\n"), "hello");
    assert_eq!(data("aGVsbG8"), "hello");
    assert_eq!(data("aGVs<!-- c -->bG8="), "hello");
    assert_eq!(data("<![CDATA[aGVs]]>&#98;G8="), "hello");
    assert_eq!(data(""), "");
    assert_eq!(data(" \n"), "");
}

#[test]
fn what_net_refuses_is_refused() {
    for elements in [
        "<Type>128</Type>",
        "<Type>-129</Type>",
        "<Type>texture</Type>",
        "<Type/>",
        "<Type>1.0</Type>",
        "<UploadAttempts>x</UploadAttempts>",
        "<Flags>1</Flags>",
        "<Flags>Maptile,Collectable</Flags>",
        "<Flags>Maptile Secret</Flags>",
        "<Flags>maptile</Flags>",
        "<Local>True</Local>",
        "<Temporary/>",
        "<FullID><Guid>a55e7000</Guid></FullID>",
        "<FullID><Guid/></FullID>",
        "<Data>@@@@</Data>",
        "<Data>AA==<a/></Data>",
        "<Name>a<b/></Name>",
        "<Name>&nbsp;</Name>",
        "<Name>&#1;</Name>",
        "<Name>a</Description>",
        "<Name>a",
        "<x:Name>a</x:Name>",
    ] {
        assert!(decode_asset(format!("<AssetBase>{elements}</AssetBase>").as_bytes()).is_err(), "{elements}");
    }
    for body in [
        "",
        "Name=x&Type=0",
        "<Asset/>",
        "<AssetBase",
        "<AssetBase xmlns='urn:x'/>",
        "<AssetMetadata/>",
        "<AssetBase/><AssetBase/>",
        "<AssetBase/>x",
        "<!DOCTYPE AssetBase><AssetBase/>",
        "<?xml version='1.0' encoding='utf-16'?><AssetBase/>",
    ] {
        assert!(decode_asset(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn utf16_bodies_are_read() {
    let document = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-16\"?><AssetBase><Name>é</Name></AssetBase>";
    let body: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(decode_asset(&body).unwrap().asset.metadata.name, "é");
}

fn any_asset() -> impl Strategy<Value = Asset> {
    // Text as a reader gives it: without CR, not only white space, and without what no document can contain.
    let text = || "([^\u{0}-\u{20}\u{fffe}\u{ffff}][^\u{0}-\u{8}\u{b}-\u{1f}\u{fffe}\u{ffff}]*)?";
    let data = prop::option::of(prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from));
    let creator = prop::option::of(text());
    let scalars = (any::<u128>(), any::<i8>(), any::<bool>(), any::<bool>(), 0..8_i32);
    (data, text(), text(), creator, scalars).prop_map(|(data, name, description, creator, scalars)| {
        let (id, asset_type, local, temporary, flags) = scalars;
        let id = Uuid::from_u128(id);
        let flags = AssetFlags(flags);
        let metadata = AssetMetadata { id, name, description, created: None, asset_type, local, temporary, creator, flags };
        Asset { metadata, data }
    })
}

proptest! {
    #[test]
    fn assets_come_back(asset in any_asset(), indented: bool) {
        let document = encode_asset(&asset, if indented { Style::Indented } else { Style::Compact }).unwrap();
        let decoded = decode_asset_answer(&document).unwrap();
        prop_assert_eq!(decoded.id_text, asset.metadata.id.to_string());
        prop_assert_eq!(decoded.asset, asset);
    }

    #[test]
    fn metadata_come_back(asset in any_asset(), created in prop::option::of(0..4_000_000_000_i64)) {
        let mut metadata = AssetMetadata { created, ..asset.metadata };
        let decoded = decode_metadata(&encode_metadata(&metadata).unwrap()).unwrap();
        let content_type = content_type_of(metadata.asset_type);
        metadata.asset_type = asset_type_of_content_type(content_type).unwrap_or(metadata.asset_type);
        prop_assert_eq!(decoded, metadata);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let _ = decode_asset(&body);
        let _ = decode_metadata(&body);
    }

    #[test]
    fn a_changed_document_is_read_or_refused(asset in any_asset(), changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<bool>()), 1..4)) {
        let mut body = encode_asset(&asset, Style::Compact).unwrap().to_vec();
        for (at, byte, remove) in changes {
            let at = at % body.len();
            if remove {
                body.truncate(at.max(1));
            } else {
                body[at] = byte;
            }
        }
        let _ = decode_asset(&body);
    }
}

#[test]
fn a_document_that_is_passed_on_is_whole_and_about_the_asset() {
    let id = Uuid::from_u128(0xa55e_7000_0000_4000_8000_0000_0000_0005);
    let metadata = AssetMetadata {
        id,
        name: "<ID>not this</ID>".to_owned(),
        description: String::new(),
        created: None,
        asset_type: 7,
        local: false,
        temporary: false,
        creator: Some(String::new()),
        flags: AssetFlags::NORMAL,
    };
    for data in [Some(Bytes::from_static(b"some content")), Some(Bytes::new()), None] {
        for style in [Style::Indented, Style::Compact] {
            let document = encode_asset(&Asset { metadata: metadata.clone(), data: data.clone() }, style).unwrap();
            check_document(&document, id).unwrap();
            let other = check_document(&document, Uuid::from_u128(1)).unwrap_err();
            assert!(matches!(other, DocumentError::WrongId(found) if found == id), "{other}");
            for length in 0..document.trim_ascii_end().len() {
                check_document(&document[..length], id).unwrap_err();
            }
        }
    }
    // Not of the usual form, but right.
    let odd = format!("<AssetBase><ID> {} </ID></AssetBase >", id.simple());
    check_document(odd.as_bytes(), id).unwrap();
    check_document(b"<html><body>It works!</body></html>", id).unwrap_err();
}
