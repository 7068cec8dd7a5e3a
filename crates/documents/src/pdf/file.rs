//! Where the objects of a PDF stand, and what they are.
//!
//! Objects are found by their marks (`12 0 obj`), not by the table at the end of the file: the table is wrong in many
//! honest files and in most hostile ones, and programs look past it. Of two objects with one number the later counts.

use std::collections::HashMap;

use crate::work::{Cut, Work};

use super::filter::{Unpacked, decode};
use super::lexer::{Dict, Lexeme, Lexer, Object};

/// Bytes of a file that are searched for objects: the rest of a larger one is pictures.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Objects of one file that are looked at. A book has ten thousand.
pub const OBJECTS_MAX: usize = 50_000;

/// Streams of objects that are unpacked. Each holds a hundred objects in honest files.
pub const OBJECT_STREAMS_MAX: usize = 500;

/// References followed from one to the next.
pub const REFERENCES_MAX: usize = 8;

/// Work of a byte that is taken apart into objects, in bytes that are unpacked: a number of one digit is an object.
pub(super) const PARSE_COST: usize = 4;

/// Bytes behind `obj` in which a stream of objects or references says what it is.
const KIND_BYTES: usize = 256;

/// An unpacked stream of objects: number and start of each object, and the bytes.
type Packed = (Vec<(u32, usize)>, Vec<u8>);

/// What a first pass over the file finds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Number, and where the object begins behind `obj`.
    places: Vec<(u32, usize)>,
    /// Where dictionaries behind `trailer` begin.
    trailers: Vec<usize>,
    packed: Vec<Packed>,
}

impl Scan {
    /// Looks for objects, and unpacks streams of objects.
    pub(super) fn new(bytes: &[u8], work: &mut Work) -> Self {
        let bytes = &bytes[..bytes.len().min(FILE_BYTES_MAX)];
        if bytes.len() == FILE_BYTES_MAX {
            work.cut(Cut::Stream);
        }
        work.pass(bytes.len());
        let mut scan = Self::default();
        let mut streams = Vec::new();
        for (at, window) in bytes.windows(3).enumerate() {
            if window == b"obj" {
                let Some(number) = number_before(bytes, at) else { continue };
                if scan.places.len() >= OBJECTS_MAX {
                    work.cut(Cut::Count);
                    break;
                }
                scan.places.push((number, at + 3));
                let head = &bytes[at + 3..bytes.len().min(at + 3 + KIND_BYTES)];
                if has(head, b"/ObjStm") {
                    streams.push(at + 3);
                } else if has(head, b"/XRef") {
                    scan.trailers.push(at + 3);
                }
            } else if window == b"tra" && bytes[at..].starts_with(b"trailer") {
                scan.trailers.push(at + 7);
            }
        }
        if streams.len() > OBJECT_STREAMS_MAX {
            work.cut(Cut::Count);
            streams.truncate(OBJECT_STREAMS_MAX);
        }
        let packed = {
            let file = File::new(bytes, &scan);
            if file.is_encrypted(work) {
                return scan;
            }
            streams.into_iter().filter_map(|at| file.object_stream(at, work)).collect()
        };
        scan.packed = packed;
        scan
    }
}

/// An object stands in the file, or in an unpacked stream.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A stream that is still packed.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    pub(super) dict: Dict<'a>,
    data: &'a [u8],
}

/// A PDF whose objects are read when asked for.
#[derive(Debug)]
pub(super) struct File<'a> {
    bytes: &'a [u8],
    places: HashMap<u32, Place<'a>>,
    /// Numbers in the order in which they stand.
    pub(super) numbers: Vec<u32>,
    trailers: &'a [usize],
}

impl<'a> File<'a> {
    pub(super) fn new(bytes: &'a [u8], scan: &'a Scan) -> Self {
        let mut file = Self {
            bytes,
            places: HashMap::with_capacity(scan.places.len()),
            numbers: Vec::with_capacity(scan.places.len()),
            trailers: &scan.trailers,
        };
        for (number, at) in &scan.places {
            file.add(*number, Place { bytes, at: *at });
        }
        // An object that stands in the file counts before one of the same number in a stream of objects: programs that
        // add changes to a file write them plainly or number them anew.
        for (heads, unpacked) in &scan.packed {
            for (number, at) in heads {
                if file.numbers.len() >= 2 * OBJECTS_MAX {
                    break;
                }
                if !file.places.contains_key(number) {
                    file.add(*number, Place { bytes: unpacked, at: *at });
                }
            }
        }
        file
    }

    fn add(&mut self, number: u32, place: Place<'a>) {
        if self.places.insert(number, place).is_none() {
            self.numbers.push(number);
        }
    }

    /// The dictionaries that say where reading begins, and whether the file is encrypted.
    pub(super) fn trailers(&self, work: &mut Work) -> Vec<Dict<'a>> {
        let mut found = Vec::new();
        for at in self.trailers.iter().rev().take(REFERENCES_MAX) {
            if let Some(Object::Dict(dict)) =
                self.parse(Place { bytes: self.bytes, at: *at }, work).0
            {
                found.push(dict);
            }
        }
        found
    }

    pub(super) fn is_encrypted(&self, work: &mut Work) -> bool {
        self.trailers(work).iter().any(|trailer| {
            let encrypt = trailer.value("Encrypt").map(|object| self.follow(object, work));
            encrypt
                .as_ref()
                .and_then(Object::dict)
                .is_some_and(|dict| dict.name("Filter").is_some())
        })
    }

    /// An object by its number.
    pub(super) fn object(&self, number: u32, work: &mut Work) -> Object<'a> {
        let place = self.places.get(&number);
        place.and_then(|place| self.parse(*place, work).0).unwrap_or(Object::Null)
    }

    /// The object itself, or what it refers to.
    pub(super) fn follow(&self, object: &Object<'a>, work: &mut Work) -> Object<'a> {
        let mut now = object.clone();
        for _ in 0..REFERENCES_MAX {
            let Object::Ref(number) = now else { return now };
            now = self.object(number, work);
        }
        Object::Null
    }

    /// The value of a key, followed.
    pub(super) fn get(&self, dict: &Dict<'a>, key: &str, work: &mut Work) -> Object<'a> {
        dict.value(key).map_or(Object::Null, |value| self.follow(value, work))
    }

    /// The stream that an object refers to.
    pub(super) fn stream(&self, object: &Object<'a>, work: &mut Work) -> Option<Stream<'a>> {
        let mut now = object.clone();
        for _ in 0..REFERENCES_MAX {
            let Object::Ref(number) = now else { return None };
            let place = *self.places.get(&number)?;
            match self.parse(place, work) {
                (Some(Object::Dict(dict)), Some(data_at)) => {
                    let data = self.data(&dict, &place.bytes[data_at..], work);
                    return Some(Stream { dict, data });
                }
                (Some(object), _) => now = object,
                _ => return None,
            }
        }
        None
    }

    /// Undoes what a stream is packed with.
    pub(super) fn unpack(&self, stream: &Stream<'a>, work: &mut Work) -> Unpacked {
        let dict = &stream.dict;
        let either = |long: &str, short: &str, work: &mut Work| match self.get(dict, long, work) {
            Object::Null => self.get(dict, short, work),
            found => found,
        };
        let filters = listed(either("Filter", "F", work));
        let filters: Vec<Object> = filters.iter().map(|filter| self.follow(filter, work)).collect();
        let parameters = listed(either("DecodeParms", "DP", work));
        let parameters: Vec<Object> = parameters.iter().map(|it| self.follow(it, work)).collect();
        let names: Vec<&Object> = filters.iter().filter(|filter| filter.name().is_some()).collect();
        let parameters: Vec<Option<&Dict>> = parameters.iter().map(Object::dict).collect();
        decode(stream.data, &names, &parameters, work)
    }

    /// The bytes of a stream, if it is not a picture.
    pub(super) fn content(&self, object: &Object<'a>, work: &mut Work) -> Option<Vec<u8>> {
        let stream = self.stream(object, work)?;
        match self.unpack(&stream, work) {
            Unpacked::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// An object, and where the data of its stream begins if it has one.
    fn parse(&self, place: Place<'a>, work: &mut Work) -> (Option<Object<'a>>, Option<usize>) {
        let Some(bytes) = place.bytes.get(place.at..) else { return (None, None) };
        if work.is_spent() {
            return (None, None);
        }
        let mut lexer = Lexer::new(bytes);
        let object = lexer.next_object();
        work.spend(PARSE_COST * lexer.at());
        if lexer.is_too_deep {
            work.cut(Cut::Depth);
        }
        if !matches!(object, Some(Object::Dict(_))) {
            return (object, None);
        }
        let end = lexer.at();
        let is_stream = lexer.next() == Some(Lexeme::Word(b"stream"));
        work.spend(lexer.at() - end);
        let rest = lexer.rest();
        let line_end = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        (object, is_stream.then(|| place.at + lexer.at() + line_end))
    }

    /// The data of a stream: as long as it says if its end stands there, else up to the next end.
    fn data(&self, dict: &Dict<'a>, rest: &'a [u8], work: &mut Work) -> &'a [u8] {
        let length = match dict.value("Length") {
            Some(Object::Number(length)) => Some(*length),
            Some(length) => self.follow(length, work).number(),
            None => None,
        };
        if let Some(length) = length.filter(|length| *length >= 0.0) {
            let length = length as usize;
            let behind = rest.get(length..).unwrap_or_default();
            let behind = &behind[..behind.len().min(16)];
            if behind.trim_ascii_start().starts_with(b"endstream") {
                return &rest[..length];
            }
        }
        let end = rest.windows(9).position(|window| window == b"endstream").unwrap_or(rest.len());
        if work.pass(end) { &rest[..end] } else { &[] }
    }

    /// A stream of objects (section 7.5.7): numbers and places in front, then the objects.
    fn object_stream(&self, at: usize, work: &mut Work) -> Option<Packed> {
        let (Some(Object::Dict(dict)), Some(data_at)) =
            self.parse(Place { bytes: self.bytes, at }, work)
        else {
            return None;
        };
        let data = self.data(&dict, &self.bytes[data_at..], work);
        let count = self.get(&dict, "N", work).number()? as usize;
        let first = self.get(&dict, "First", work).number()? as usize;
        let Unpacked::Bytes(bytes) = self.unpack(&Stream { dict, data }, work) else { return None };
        let mut lexer = Lexer::new(bytes.get(..first)?);
        let mut heads = Vec::new();
        for _ in 0..count.min(OBJECTS_MAX) {
            let (Some(Object::Number(number)), Some(Object::Number(place))) =
                (lexer.next_object(), lexer.next_object())
            else {
                break;
            };
            heads.push((number as u32, first.saturating_add(place as usize)));
        }
        Some((heads, bytes))
    }
}

/// An array's items, or the one object.
fn listed(object: Object) -> Vec<Object> {
    match object {
        Object::Array(items) => items,
        Object::Null => Vec::new(),
        one => vec![one],
    }
}

fn has(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// The object number of `12 0 obj`, if that is what stands before `at`.
fn number_before(bytes: &[u8], at: usize) -> Option<u32> {
    let before = &bytes[at.saturating_sub(24)..at];
    let before = before.trim_ascii_end();
    let generation = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let behind_number = &before[..before.len() - generation];
    let before = behind_number.trim_ascii_end();
    let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    if generation == 0 || before.len() == behind_number.len() || !(1..=10).contains(&digits) {
        return None;
    }
    std::str::from_utf8(&before[before.len() - digits..]).ok()?.parse().ok()
}
