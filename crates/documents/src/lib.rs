//! Attached documents and codes in pictures: bytes to text, links and facts.
//!
//! **Holds** nothing between calls; a [`work::Budget`] is handed in.
//! **Takes** the bytes of one file, or the brightness of one picture.
//! **Gives** the text a reader would show, the links it would follow, what else is in it, and what was cut.
//! **May touch** an inflater, character sets, a reader of QR codes.
//! **Never** judges, opens a file or socket, reads a clock, draws a random number, starts a thread or logs.
//! **If it fails** it does not: a file that cannot be read is a document with [`document::Document::is_damaged`].
//!
//! Reading order: [`document`] (what comes out, and [`document::read`]), [`work`] (what bounds it), then a format:
//! [`rtf`], [`compound`] (OLE files: [`word`]), [`archive`] and [`xml`] ([`office`], [`opendocument`]), [`pdf`],
//! [`calendar`], [`qr`].
//!
//! Every format is read as its makers' own programs read it, damage included: those open what a validator refuses. No
//! reader builds a tree of what it reads; the memory of one document is its unpacked bytes and the text.

pub mod archive;
mod binary;
pub mod calendar;
pub mod compound;
pub mod document;
mod field;
pub mod office;
pub mod opendocument;
pub mod pdf;
pub mod qr;
pub mod rtf;
mod sink;
pub mod word;
pub mod work;
pub mod xml;
