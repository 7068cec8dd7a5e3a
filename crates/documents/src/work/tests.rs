use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};

use super::*;

fn work() -> Work {
    Budget::default().allow().expect("a fresh budget")
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that pack three to one, so that no bomb is seen in them.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) as u8).collect()
}

#[test]
fn a_stream_is_unpacked_up_to_its_limit() {
    for (bytes, is_cut) in [(STREAM_BYTES_MAX, false), (STREAM_BYTES_MAX + 1, true)] {
        let mut work = work();
        let out = unpack(&zlib(&noise(bytes)), Packing::Zlib, &mut work);
        assert_eq!((out.len(), work.cuts().contains(&Cut::Stream)), (STREAM_BYTES_MAX, is_cut));
    }
}

#[test]
fn of_a_damaged_stream_comes_what_stands_before_the_damage() {
    let content = noise(50_000);
    let mut packed = zlib(&content);
    let half = packed.len() / 2;
    packed.truncate(half);
    let out = unpack(&packed, Packing::Zlib, &mut work());
    assert!(out.len() > 10_000 && content.starts_with(&out));
    assert!(unpack(b"", Packing::Zlib, &mut work()).is_empty());
    assert!(unpack(b"\xff\xff\xff", Packing::Deflate, &mut work()).is_empty());
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"text").unwrap();
    let broken_head = [b"\0\0", &encoder.finish().unwrap()[..]].concat();
    assert_eq!(unpack(&broken_head, Packing::Zlib, &mut work()), b"text");
}

#[test]
fn work_is_done_up_to_the_allowance_and_what_is_cut_is_said() {
    let mut work = work();
    assert!(work.spend(DOCUMENT_WORK_MAX as usize) && work.cuts().is_empty());
    assert!(!work.spend(1) && work.cuts() == [Cut::Work]);
    let mut work = self::work();
    let _ = work.spend(DOCUMENT_WORK_MAX as usize - 3);
    assert_eq!((work.take(b"abcd"), work.cuts()), (&b"abc"[..], &[Cut::Work][..]));
}
