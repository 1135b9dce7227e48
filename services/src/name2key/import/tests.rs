mod forms;

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gridshell_interfaces::ErrorKind;
use proptest::prelude::*;
use uuid::Uuid;

use self::forms::{Packed, all_forms, bzip2, gzip, zip, zip_of};
use super::*;

/// The list of name2key.md section 13.
const LIST: &str = "00000000-0000-0000-0000-000000000001,Fake01 Resident\n\
                    a27b84f0-2757-4176-9579-43a181d4a5a0,Masakazu Kojima\n\
                    3d6181b0-6a4b-97ef-18d8-722652995cf1,Governor Linden\n";

/// A line of it twice, packed by GNU gzip.
const GZIP_FILE: &[u8] = b"\x1f\x8b\x08\x08_\xc6\x02k\0\x03t.csv\0K42O\xb20I3\xd05275\xd75147\xd3\xb545\xb7\xd451N4\xb40L1I4M4\
    \xd0\xf1M,N\xccN\xac*U\xf0\xce\xcf\xca\xccM\xe4J$G\x13\0\xf4\xbaV\xb5j\0\0\0";

/// The same, packed by Python's zipfile.
const ZIP_FILE: &[u8] = b"PK\x03\x04\x14\0\0\0\x08\0\0\0!P\xf4\xbaV\xb5:\0\0\0j\0\0\0\x10\0\0\0tmp/name2key.csvK42O\xb20I3\xd0\
    5275\xd75147\xd3\xb545\xb7\xd451N4\xb40L1I4M4\xd0\xf1M,N\xccN\xac*U\xf0\xce\xcf\xca\xccM\xe4J$G\x13\
    \0PK\x01\x02\x14\x03\x14\0\0\0\x08\0\0\0!P\xf4\xbaV\xb5:\0\0\0j\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\x80\
    \x01\0\0\0\0tmp/name2key.csvPK\x05\x06\0\0\0\0\x01\0\x01\0>\0\0\0h\0\0\0\0\0";

type Row = (Uuid, String);

fn list_rows() -> Vec<Row> {
    let row = |key, name: &str| (Uuid::from_u128(key), name.to_owned());
    vec![
        row(1, "Fake01 Resident"),
        row(0xa27b84f0_2757_4176_9579_43a181d4a5a0, "Masakazu Kojima"),
        row(0x3d6181b0_6a4b_97ef_18d8_722652995cf1, "Governor Linden"),
    ]
}

/// Takes all rows; those before an error are lost with it.
async fn take_all(file: &mut NameFile) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    while let Some(batch) = file.next().await? {
        assert!(!batch.is_empty());
        rows.extend(batch.iter().map(|(key, name)| (key, name.to_owned())));
    }
    Ok(rows)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn read_source(source: impl Source + 'static, options: NameFileOptions) -> (Result<Vec<Row>>, BadLines) {
    let mut file = NameFile::from_source("list", source, 0, options).unwrap();
    let rows = block_on(take_all(&mut file));
    (rows, file.bad_lines())
}

fn read(bytes: &[u8]) -> Result<Vec<Row>> {
    read_source(Cursor::new(bytes.to_vec()), NameFileOptions::default()).0
}

fn error_of(bytes: &[u8]) -> String {
    let error = read(bytes).expect_err("cannot be read");
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    error.message
}

fn read_skipping(bytes: &[u8]) -> (Vec<Row>, BadLines) {
    let options = NameFileOptions { skip_bad: true, ..NameFileOptions::default() };
    let (rows, bad) = read_source(Cursor::new(bytes.to_vec()), options);
    (rows.unwrap(), bad)
}

/// Gives one byte at a time.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

impl Seek for Trickle {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.0.seek(position)
    }
}

#[test]
fn the_list_is_read_in_every_form() {
    for (form, bytes) in all_forms(LIST.as_bytes()) {
        assert_eq!(read(&bytes).unwrap(), list_rows(), "{form}");
        let (trickled, _) = read_source(Trickle(Cursor::new(bytes)), NameFileOptions::default());
        assert_eq!(trickled.unwrap(), list_rows(), "{form}, one byte at a time");
    }
}

#[test]
fn line_ends_marks_and_quotes_do_not_matter() {
    let without_end = LIST.trim_end().to_owned();
    let crlf = LIST.replace('\n', "\r\n");
    let quoted: String = LIST.lines().map(|line| format!("\"{}\"\n", line.replace(',', "\",\""))).collect();
    for text in [
        without_end,
        crlf.clone(),
        quoted,
        format!("\u{feff}{LIST}"),
        format!("\n{LIST}\n\n\n"),
        format!("\u{feff}\r\n{crlf}\r\n"),
    ] {
        assert_eq!(read(text.as_bytes()).unwrap(), list_rows(), "{text:?}");
    }
}

#[test]
fn files_of_other_programs_are_read() {
    let rows = vec![list_rows()[1].clone(), list_rows()[1].clone()];
    for file in [GZIP_FILE, ZIP_FILE] {
        assert_eq!(read(file).unwrap(), rows);
    }
}

#[test]
fn many_rows_come_in_batches_and_in_order() {
    let rows: Vec<Row> =
        (1..=50_000_u128).map(|number| (Uuid::from_u128(number << 64 | number), format!("Name{number} Resident"))).collect();
    let text: String = rows.iter().map(|(key, name)| format!("{key},{name}\n")).collect();
    for threads in 1..=4 {
        let bytes = bzip2(text.as_bytes(), 1);
        let options = NameFileOptions { threads, ..NameFileOptions::default() };
        let mut file = NameFile::from_source("list", Cursor::new(bytes.clone()), bytes.len() as u64, options).unwrap();
        let progress = file.progress();
        assert!(block_on(take_all(&mut file)).unwrap() == rows);
        assert_eq!(progress.rows(), 50_000);
        assert_eq!((progress.read_bytes(), progress.total_bytes()), (bytes.len() as u64, bytes.len() as u64));
        // The end stays the end.
        assert!(block_on(file.next()).unwrap().is_none());
    }
}

#[test]
fn a_file_on_the_disk_is_read_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for (form, bytes) in all_forms(LIST.as_bytes()) {
        let path = folder.path().join("names.txt");
        std::fs::write(&path, &bytes).unwrap();
        let mut file = NameFile::open(&path, NameFileOptions::default()).unwrap();
        assert_eq!(block_on(take_all(&mut file)).unwrap(), list_rows(), "{form}");
        assert_eq!(file.progress().total_bytes(), bytes.len() as u64);
    }
    for path in [folder.path().join("nope.bz2"), folder.path().to_owned()] {
        let error = NameFile::open(&path, NameFileOptions::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn what_is_cut_short_is_an_error() {
    let is_alike = |form: &str| form == "plain" || ('1'..='8').any(|level| form == format!("bzip2 -{level}"));
    for (form, bytes) in all_forms(LIST.as_bytes()).into_iter().filter(|(form, _)| !is_alike(form)) {
        let whole_pieces = if form.ends_with("of three") { LIST.len() / 3 } else { 0 };
        for length in 0..bytes.len() {
            match read(&bytes[..length]) {
                // Only what ends where one of several pieces does can be read, if a line happens to end there.
                Ok(rows) => assert!(whole_pieces > 0 && list_rows().starts_with(&rows), "{form} cut at {length}"),
                Err(error) => assert_eq!(error.kind, ErrorKind::Invalid, "{form} cut at {length}: {error}"),
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_gives_other_rows() {
    for (form, mut bytes) in
        [("gzip", gzip(LIST.as_bytes())), ("zip", zip(LIST.as_bytes(), 8)), ("bzip2", bzip2(LIST.as_bytes(), 9))]
    {
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(rows) = read(&bytes) {
                assert_eq!(rows, list_rows(), "{form}, bit {bit}");
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn nothing_else_may_follow() {
    for (form, bytes) in all_forms(LIST.as_bytes()) {
        let error = error_of(&[&bytes[..], b"garbage"].concat());
        assert!(form == "plain" || error.contains("something else follows"), "{form}: {error}");
    }
}

#[test]
fn without_any_name_it_is_an_error() {
    assert_eq!(error_of(b""), "list: the file is empty");
    for nothing in [&b""[..], b"\n\n", b"\r\n", b"\xef\xbb\xbf"] {
        for (form, bytes) in all_forms(nothing) {
            let error = error_of(&bytes);
            assert!(error.contains("no names") || error.contains("is empty"), "{form}: {error}");
        }
    }
}

#[test]
fn the_first_bad_line_ends_the_reading_and_is_named() {
    let file = format!("{LIST}not-a-key,Some Body\n{LIST}");
    for (form, bytes) in all_forms(file.as_bytes()) {
        let error = error_of(&bytes);
        assert!(error.starts_with("list: line 4: the first field is not a UUID"), "{form}: {error}");
        assert!(error.ends_with(": not-a-key,Some Body"), "{form}: {error}");
    }
    let mut file = NameFile::from_source("list", Cursor::new(b"\x1b[1m\xff\n"), 0, NameFileOptions::default()).unwrap();
    for _ in 0..2 {
        // Whoever asks again is told the same.
        let error = block_on(file.next()).unwrap_err();
        assert!(error.message.ends_with("there is one: \\u{1b}[1m\u{fffd}"), "{error}");
    }
    assert_eq!(file.bad_lines(), BadLines::default());
}

#[test]
fn bad_lines_can_be_passed_over() {
    let key = "a27b84f0-2757-4176-9579-43a181d4a5a0";
    let long_name = "n".repeat(10_000);
    let long_line = "y".repeat(10_000_000);
    let bad = [
        key.to_owned(),
        format!("{key},too,many"),
        "notauuid,Ann Bee".to_owned(),
        "00000000-0000-0000-0000-000000000000,Nobody Here".to_owned(),
        format!("{key},"),
        format!("{key},{long_name}"),
        format!("{key},tab\tname"),
        format!("{key},\"open"),
        long_line,
        format!("{key},nul\0"),
        "eleventh".to_owned(),
        "twelfth".to_owned(),
    ];
    let mut text = LIST.to_owned();
    for line in &bad {
        text.push_str(line);
        text.push('\n');
        text.push_str(LIST);
    }
    let mut bytes = text.into_bytes();
    bytes.extend(format!("{key},caf").into_bytes());
    bytes.push(0xe9);
    let expected = vec![list_rows(); bad.len() + 1].concat();
    for (form, bytes) in [("plain", bytes.clone()), ("gzip", gzip(&bytes)), ("zip", zip(&bytes, 8)), ("bzip2", bzip2(&bytes, 9))]
    {
        let (rows, bad) = read_skipping(&bytes);
        assert_eq!(rows, expected, "{form}");
        assert_eq!(bad.count, 13, "{form}");
        let numbers: Vec<_> = bad.first.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [4, 8, 12, 16, 20, 24, 28, 32, 36, 40], "{form}");
        let reasons = [
            "there is one",
            "are 3",
            "not a UUID",
            "zero UUID",
            "empty",
            "255 bytes",
            "control",
            "not closed",
            "65536 bytes",
            "control",
        ];
        for (line, reason) in bad.first.iter().zip(reasons) {
            assert!(line.reason.contains(reason), "{form}: {line:?}");
        }
        assert!(bad.first.iter().all(|line| line.excerpt.len() < 100), "{form}");
        assert_eq!(bad.first[6].excerpt, format!("{key},tab\\tname"), "{form}");
        assert_eq!(bad.first[8].excerpt, format!("{}...", "y".repeat(60)), "{form}");
    }
    // Nothing but bad lines is no error here: the count says it.
    let (rows, bad) = read_skipping(b"bad\nbad");
    assert_eq!((rows.len(), bad.count), (0, 2));
}

#[test]
fn what_grows_too_much_is_an_error() {
    let text = LIST.repeat(1000);
    for (form, bytes) in all_forms(text.as_bytes()) {
        let with = |max_decoded_bytes| {
            let options = NameFileOptions { max_decoded_bytes, ..NameFileOptions::default() };
            read_source(Cursor::new(bytes.clone()), options).0
        };
        assert_eq!(with(text.len() as u64).unwrap().len(), 3000, "{form}");
        let error = with(text.len() as u64 - 1).unwrap_err();
        assert!(error.message.contains("more than 158999 bytes"), "{form}: {error}");
    }
}

#[test]
fn a_bomb_is_an_error() {
    // Empty lines mean nothing and take no memory, but somebody means harm.
    let bomb = bzip2(&vec![b'\n'; 1_000_000], 9);
    let read = |free, factor| {
        let growth = Growth { most: u64::MAX, free, factor };
        let source = Cursor::new([&bomb[..], &bzip2(LIST.as_bytes(), 9)].concat());
        block_on(take_all(&mut NameFile::start("list", source, 0, &NameFileOptions::default(), growth).unwrap()))
    };
    assert_eq!(read(2_000_000, 1000).unwrap(), list_rows());
    assert_eq!(read(100_000, 1_000_000).unwrap(), list_rows());
    let error = read(100_000, 1000).unwrap_err();
    assert!(error.message.contains("no list of names"), "{error}");
}

#[test]
fn a_zip_file_without_a_readable_list_says_why() {
    let list = Packed::new("names.CSV", LIST.as_bytes(), 8);
    let other = Packed::new("tmp/readme.txt", b"nothing", 0);
    let second = Packed::new("second.csv", b"not read", 0);
    assert_eq!(read(&zip_of(&[other.clone(), list.clone(), second], "a comment PK\x05\x06")).unwrap(), list_rows());

    let error = |files: &[Packed]| error_of(&zip_of(files, ""));
    assert!(error(&[]).contains("no file whose name ends with .csv"));
    assert!(error(&[other]).contains("no file whose name ends with .csv"));
    assert!(error(&[Packed { flags: 1, ..list.clone() }]).contains("names.CSV in the zip file is encrypted"));
    assert!(error(&[Packed { method: 12, ..list.clone() }]).contains("method 12"));
    assert!(error(&[Packed { size: u32::MAX, ..list.clone() }]).contains("ZIP64"));
    assert!(error(&[Packed { crc: list.crc ^ 1, ..list.clone() }]).contains("checksum"));
    assert!(error(&[Packed { size: list.size - 1, ..list.clone() }]).contains("size"));
    assert!(error(&[Packed { size: list.size + 1, ..list.clone() }]).contains("size"));
}

/// Repeats a text for ever, and knows whether it has been dropped.
struct Endless {
    text: &'static [u8],
    at: usize,
    _alive: Arc<()>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.text.len() - self.at);
        buffer[..length].copy_from_slice(&self.text[self.at..self.at + length]);
        self.at = (self.at + length) % self.text.len();
        Ok(length)
    }
}

impl Seek for Endless {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::NotSeekable.into())
    }
}

#[test]
fn its_threads_end_when_it_is_dropped() {
    let packed = |bytes: Vec<u8>| -> &'static [u8] { Box::leak(bytes.into_boxed_slice()) };
    let bad = b"bad line\n".repeat(1000);
    for (text, skip_bad, taken) in [
        (LIST.as_bytes(), false, 3),
        (packed(gzip(LIST.repeat(1000).as_bytes())), false, 3),
        (packed(bzip2(LIST.repeat(10_000).as_bytes(), 1)), false, 3),
        (packed(bzip2(LIST.repeat(10_000).as_bytes(), 1)), false, 0),
        (packed(bad), true, 0),
    ] {
        let alive = Arc::new(());
        let weak: Weak<()> = Arc::downgrade(&alive);
        let source = Endless { text, at: 0, _alive: alive };
        let options = NameFileOptions { skip_bad, threads: 3, ..NameFileOptions::default() };
        let mut file = NameFile::from_source("endless", source, 0, options).unwrap();
        for _ in 0..taken {
            assert!(block_on(file.next()).unwrap().is_some());
        }
        assert!(weak.upgrade().is_some(), "it is read as long as somebody wants it");
        drop(file);
        // The source is the last that the threads let go. How long it takes does not matter, only that it happens.
        let gone = (0..60_000).any(|_| {
            thread::sleep(Duration::from_millis(1));
            weak.upgrade().is_none()
        });
        assert!(gone);
    }
}

/// Fails when its last byte is read.
struct Failing {
    bytes: Cursor<Vec<u8>>,
    failure: Arc<dyn Fn() -> io::Error + Send + Sync>,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let good = self.bytes.get_ref().len() as u64 - 1;
        let left = good.saturating_sub(self.bytes.position());
        if left == 0 { Err((self.failure)()) } else { (&mut self.bytes).take(left).read(buffer) }
    }
}

impl Seek for Failing {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(position)
    }
}

#[test]
fn a_disk_that_fails_is_not_a_bad_file() {
    const INPUT_OUTPUT_ERROR: i32 = 5;
    for (form, bytes) in all_forms(LIST.as_bytes()) {
        let failing =
            Failing { bytes: Cursor::new(bytes), failure: Arc::new(|| io::Error::from_raw_os_error(INPUT_OUTPUT_ERROR)) };
        let error = read_source(failing, NameFileOptions::default()).0.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{form}: {error}");
        assert!(error.message.starts_with("list: cannot read the file"), "{form}: {error}");
    }
}

#[test]
fn a_thread_that_fails_is_an_error_and_not_the_end() {
    let reached = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&reached);
    let failing = Failing {
        bytes: Cursor::new(LIST.repeat(10_000).into_bytes()),
        failure: Arc::new(move || {
            flag.store(true, Ordering::SeqCst);
            panic!("a source that panics")
        }),
    };
    let error = read_source(failing, NameFileOptions::default()).0.unwrap_err();
    assert!(reached.load(Ordering::SeqCst));
    assert_eq!(error.kind, ErrorKind::Internal);
}

/// A field, quoted where it has to be.
fn field(text: &str) -> String {
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn rows_come_back_from_every_form(
        rows in prop::collection::vec((1..u128::MAX, "[!-~éñ鳥][ -~éñ鳥]{0,60}"), 1..300),
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let rows: Vec<Row> = rows.into_iter().map(|(key, name)| (Uuid::from_u128(key), name)).collect();
        let text: String = rows.iter().map(|(key, name)| format!("{key},{}{end}", field(name))).collect();
        for (form, bytes) in all_forms(text.as_bytes()) {
            prop_assert_eq!(&read(&bytes).unwrap(), &rows, "{}", form);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        beginning in prop::sample::select(vec![&b""[..], b"BZh9\x31\x41\x59\x26\x53\x59", b"\x1f\x8b\x08\0", b"PK\x03\x04", b"PK\x05\x06"]),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let bytes = [beginning, &bytes].concat();
        let options = NameFileOptions { skip_bad: true, ..NameFileOptions::default() };
        if let Err(error) = read_source(Cursor::new(bytes), options).0 {
            prop_assert_eq!(error.kind, ErrorKind::Invalid);
        }
    }
}
