//! The brightness of the first frame of a GIF, through its palette: 256 colours are looked up instead of every pixel, and
//! no pixel becomes four bytes on the way.

use gif::{ColorOutput, DecodeOptions, Frame};

use super::DECODER_BYTES_MAX;
use super::brightness::{Brightness, WHITE, luma};

/// Bytes of a pixel, as frames were measured when they were decoded to colours: pictures are refused at the same size.
const PIXEL_BYTES: u64 = 4;

/// What an index of the palette is as brightness. One that is not in the palette, or transparent, shows the white below.
struct Palette([u8; 256]);

impl Palette {
    fn of(frame: &Frame<'_>, global: Option<&[u8]>) -> Self {
        let colours = frame.palette.as_deref().or(global).unwrap_or_default();
        let mut table = [WHITE; 256];
        for (place, colour) in table.iter_mut().zip(colours.chunks_exact(3)) {
            *place = luma(colour[0], colour[1], colour[2]);
        }
        if let Some(place) = frame.transparent.and_then(|it| table.get_mut(usize::from(it))) {
            *place = WHITE;
        }
        Self(table)
    }
}

/// Decodes a GIF of these sides, which its logical screen says and which the limits allow. `None` if it is damaged or
/// its frame is too large.
pub(super) fn decode(content: &[u8], (width, height): (u32, u32)) -> Option<Brightness> {
    let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut reader = options.read_info(content).ok()?;
    let frame = reader.next_frame_info().ok()??.clone();
    let [left, top, columns, rows] =
        [frame.left, frame.top, frame.width, frame.height].map(usize::from);
    let is_inside = left == 0 && columns == width && top + rows <= height;
    let is_small = PIXEL_BYTES * (columns * rows) as u64 <= DECODER_BYTES_MAX;
    // An empty frame is damage, unless its rows are interlaced and there is none.
    let is_empty = columns * rows == 0 && !(frame.interlaced && rows == 0);
    if is_empty || !(is_inside || is_small) {
        return None;
    }
    let mut pixels = vec![0; columns * rows];
    reader.read_into_buffer(&mut pixels).ok()?;
    let Palette(table) = Palette::of(&frame, reader.global_palette());
    pixels.iter_mut().for_each(|it| *it = table[usize::from(*it)]);
    if (left, top, columns, rows) == (0, 0, width, height) {
        return Some(Brightness::opaque(width, pixels));
    }
    let mut screen = vec![WHITE; width * height];
    let seen = columns.min(width.saturating_sub(left));
    let lines = screen.chunks_exact_mut(width).skip(top);
    for (line, row) in lines.zip(pixels.chunks_exact(columns.max(1))) {
        if let Some(place) = line.get_mut(left..left + seen) {
            place.copy_from_slice(&row[..seen]);
        }
    }
    Some(Brightness::opaque(width, screen))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use gif::Encoder;
    use image::codecs::gif::GifDecoder;
    use image::{DynamicImage, ImageDecoder as _, Limits};

    use super::*;

    /// As the library of pictures has it, pixel by pixel.
    fn slowly(content: &[u8]) -> Option<Brightness> {
        let mut decoder = GifDecoder::new(std::io::Cursor::new(content)).ok()?;
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(DECODER_BYTES_MAX);
        decoder.set_limits(limits).ok()?;
        Some(Brightness::of(&DynamicImage::from_decoder(decoder).ok()?))
    }

    fn assert_as_the_library_has_it(content: &[u8], sides: (u32, u32)) {
        let (ours, theirs) = (decode(content, sides), slowly(content));
        assert_eq!(ours.is_some(), theirs.is_some());
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
        assert!(
            (ours.width, ours.height, &ours.luma) == (theirs.width, theirs.height, &theirs.luma)
        );
        for row in 0..ours.height {
            assert_eq!(ours.sum(row, 1..ours.width), theirs.sum(row, 1..ours.width));
        }
    }

    fn noise(count: usize, below: u8) -> Vec<u8> {
        (0..count as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 % below).collect()
    }

    /// A GIF of 40 x 50 with one frame, the palette of which has `colours` entries.
    fn gif(frame: Frame<'_>, colours: usize, is_global: bool) -> Vec<u8> {
        let palette = noise(3 * colours, 255);
        let (global, own) = if is_global { (palette, None) } else { (Vec::new(), Some(palette)) };
        let mut content = Vec::new();
        let mut encoder = Encoder::new(&mut content, 40, 50, &global).unwrap();
        encoder.write_frame(&Frame { palette: own, ..frame }).unwrap();
        drop(encoder);
        content
    }

    #[test]
    fn frames_of_every_place_and_palette_are_as_bright_as_the_library_has_them() {
        let mut read = 0;
        for (left, top, width, height) in [
            (0, 0, 40, 50),
            (0, 9, 40, 41),
            (0, 9, 40, 50),
            (3, 4, 20, 30),
            (39, 49, 40, 50),
            (50, 60, 3, 3),
            (7, 0, 60, 20),
        ] {
            for (colours, transparent) in [(256, None), (16, None), (256, Some(7)), (4, Some(200))]
            {
                for (interlaced, is_global) in [(false, false), (true, true)] {
                    let buffer = noise(usize::from(width * height), 255);
                    let place = Frame { left, top, width, height, ..Frame::default() };
                    let frame =
                        Frame { transparent, interlaced, buffer: Cow::Owned(buffer), ..place };
                    let content = gif(frame, colours, is_global);
                    assert_as_the_library_has_it(&content, (40, 50));
                    read += usize::from(decode(&content, (40, 50)).is_some());
                }
            }
        }
        assert!(read > 20, "{read}");
    }

    #[test]
    fn what_is_cut_anywhere_is_read_or_refused_as_the_library_does() {
        let buffer = Cow::Owned(noise(2000, 255));
        let frame = Frame { width: 40, height: 50, buffer, ..Frame::default() };
        let content = gif(frame, 256, true);
        for length in (0..content.len()).step_by(7).chain(content.len() - 9..content.len()) {
            assert_as_the_library_has_it(&content[..length], (40, 50));
        }
        for at in (13..content.len()).step_by(7) {
            let mut damaged = content.clone();
            damaged[at] ^= 0x5a;
            assert_as_the_library_has_it(&damaged, (40, 50));
        }
    }
}
