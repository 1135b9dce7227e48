//! A text in all forms in which a file of names can come.

use std::io::Write;

use ::bzip2::write::BzEncoder;
use flate2::Crc;
use flate2::write::{DeflateEncoder, GzEncoder};

pub(super) fn bzip2(text: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), ::bzip2::Compression::new(level));
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A file in a zip file.
#[derive(Clone)]
pub(super) struct Packed {
    pub(super) name: &'static str,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) size: u32,
    pub(super) data: Vec<u8>,
}

impl Packed {
    pub(super) fn new(name: &'static str, text: &[u8], method: u16) -> Self {
        let mut crc = Crc::new();
        crc.update(text);
        let data = if method == 0 { text.to_vec() } else { deflate(text) };
        Self { name, flags: 0, method, crc: crc.sum(), size: text.len() as u32, data }
    }

    /// What the header of a file and its entry in the table of contents have in common.
    fn fields(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        [20, self.flags, self.method, 0, 0x5021].iter().for_each(|number: &u16| fields.extend(number.to_le_bytes()));
        [self.crc, self.data.len() as u32, self.size].iter().for_each(|number| fields.extend(number.to_le_bytes()));
        fields.extend((self.name.len() as u16).to_le_bytes());
        fields
    }
}

pub(super) fn zip_of(files: &[Packed], comment: &str) -> Vec<u8> {
    let (mut zip, mut contents) = (Vec::new(), Vec::new());
    for file in files {
        let offset = zip.len() as u32;
        // Extra fields of different lengths, as many programs write them.
        zip.extend([&b"PK\x03\x04"[..], &file.fields(), &[4, 0], file.name.as_bytes(), b"xxxx", &file.data].concat());
        contents.extend([b"PK\x01\x02\x14\x00", &file.fields()[..], &[2, 0, 3, 0], &[0; 8], &offset.to_le_bytes()].concat());
        contents.extend([file.name.as_bytes(), b"yy", b"zzz"].concat());
    }
    let (count, begin) = ((files.len() as u16).to_le_bytes(), (zip.len() as u32).to_le_bytes());
    let size = (contents.len() as u32).to_le_bytes();
    zip.extend(contents);
    zip.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &begin, &(comment.len() as u16).to_le_bytes()].concat());
    zip.extend(comment.as_bytes());
    zip
}

pub(super) fn zip(text: &[u8], method: u16) -> Vec<u8> {
    zip_of(&[Packed::new("tmp/name2key.csv", text, method)], "")
}

/// The text in every form that is read.
pub(super) fn all_forms(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut forms = vec![
        ("plain".to_owned(), text.to_vec()),
        ("gzip".to_owned(), gzip(text)),
        ("zip, stored".to_owned(), zip(text, 0)),
        ("zip, deflated".to_owned(), zip(text, 8)),
    ];
    forms.extend((1..=9).map(|level| (format!("bzip2 -{level}"), bzip2(text, level))));
    // Of several pieces, which end in the middle of lines.
    let (first, rest) = text.split_at(text.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    forms.push(("gzip of three".to_owned(), [gzip(first), gzip(second), gzip(b""), gzip(third)].concat()));
    forms.push(("bzip2 of three".to_owned(), [bzip2(first, 9), bzip2(b"", 1), bzip2(second, 1), bzip2(third, 5)].concat()));
    forms
}
