//! A picture to a similarity name: where it becomes lighter or darker, and in which direction.
//!
//! # The rules
//! 1. PNG, JPEG and GIF (its first frame) are decoded, if width and height are at least [`SIDE_MIN`] and their product at
//!    most [`PIXELS_MAX`]; the header says so before anything is decoded. Transparent pixels are laid on white.
//! 2. The **grid**: luma (ITU-R BT.709, 0 to 255, as the decoder gives it) averaged over [`GRID`] x [`GRID`] cells of
//!    equal size; cell `x` covers the columns from `x * width / GRID` to `(x + 1) * width / GRID`, rounded down; rows
//!    likewise.
//! 3. **Slopes**: for each inner cell, right neighbour minus left one, lower minus upper one. Its steepness is the sum of
//!    both sides' absolute values.
//! 4. Cells of which the steepness is at least [`STEEPNESS_MIN`] and not less than the median of all such count.
//!    Each has one of eight **directions**: the signs of both slopes, and which is the steeper.
//! 5. The **features** of all 32 lanes are `mix(KEY + 8 * (GRID * y + x) + direction)`.
//! 6. The **exact** name is that of the 32-byte BLAKE3 of these bytes: one for each inner cell, row by row, 255 for a cell
//!    that does not count, else its direction. It survives another packing of the same pixels, not a lossy one.
//!
//! A picture with fewer than [`CELLS_MIN`] cells that count is flat, and has neither: all white ones are alike.
//!
//! Decoding is the costliest thing done to a mail, and a mail may have a thousand pictures: those of one mail share a
//! [`Budget`], and are best looked at the largest first. What found no room is counted.

mod brightness;
mod indexed;

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use tamis_documents::qr::{self, Grey};
use tamis_domain::digest::{PartDigest, Sketch};

use super::{KEY, Minima, mix};
use brightness::Brightness;

/// Pixels of a side at least: smaller ones are icons and spies.
pub const SIDE_MIN: u32 = 32;

/// Pixels decoded: two million are 30 ms of work and more than a screen shows. Larger pictures are photographs, known
/// by their exact bytes.
pub const PIXELS_MAX: u64 = 2 * 1024 * 1024;

/// Pictures of one mail that are decoded. Newsletters have a dozen with their icons, of which few are large; the offer of
/// a spam is in one to four.
pub const PICTURES_MAX: usize = 10;

/// Pixels of one mail that are decoded, all pictures together: four of the largest, some 120 ms of work.
pub const PIXELS_SUM_MAX: u64 = 4 * PIXELS_MAX;

/// Bytes of a packed picture that are decoded.
pub const PACKED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Memory that a decoder may take: two million pixels of eight bytes, twice, and its tables.
const DECODER_BYTES_MAX: u64 = 48 * 1024 * 1024;

/// Cells of a side of the grid.
pub const GRID: usize = 18;

/// Inner cells of a side.
const INNER: usize = GRID - 2;

/// Least difference in brightness that counts as a slope, of 255: below it noise of packing decides.
pub const STEEPNESS_MIN: i32 = 6;

/// Cells that a picture must have that count.
pub const CELLS_MIN: usize = 40;

/// What a picture looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// BLAKE3 of the directions.
    pub exact: PartDigest,
    /// Similarity name.
    pub sketch: Sketch,
}

/// What the pictures of one mail may still cost, and what they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pictures_left: usize,
    pixels_left: u64,
    left_out: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { pictures_left: PICTURES_MAX, pixels_left: PIXELS_SUM_MAX, left_out: 0 }
    }
}

impl Budget {
    /// Pixels given to a decoder so far.
    #[must_use]
    pub const fn decoded_pixels(&self) -> u64 {
        PIXELS_SUM_MAX - self.pixels_left
    }

    /// Pictures that would have been looked at, had there been room.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Whether a picture may be decoded. One too large is passed over, a smaller one after it may fit.
    const fn takes(&mut self, pixels: u64) -> bool {
        if self.pictures_left == 0 || pixels > self.pixels_left {
            self.left_out += 1;
            return false;
        }
        self.pictures_left -= 1;
        self.pixels_left -= pixels;
        true
    }
}

/// Names the one picture of a mail by its look, see [`look_within`].
#[must_use]
pub fn look(content: &[u8]) -> Option<Look> {
    look_within(content, &mut Budget::default())
}

/// What is seen in one picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its look, if it is not flat.
    pub look: Option<Look>,
    /// What its QR codes say.
    pub codes: Vec<String>,
}

/// Looks at a picture and reads the QR codes in it, decoding it once; nothing for what [`look_within`] passes over.
#[must_use]
pub fn see_within(content: &[u8], budget: &mut Budget) -> Seen {
    let Some(picture) = decode(content, budget) else { return Seen::default() };
    let Brightness { width, height, .. } = picture;
    let codes = qr::read(Grey { width, height, luma: &picture.luma });
    Seen { look: named(&grid(&picture)), codes }
}

/// Names a picture by its look; `None` if it is none that we read, too large, too small or flat, or if the mail's other
/// pictures left no room for it, which the budget then counts.
#[must_use]
pub fn look_within(content: &[u8], budget: &mut Budget) -> Option<Look> {
    named(&grid(&decode(content, budget)?))
}

fn named(grid: &[i32; GRID * GRID]) -> Option<Look> {
    let directions = directions(grid);
    let mut cells: Minima<0, { Sketch::LANES }> = Minima::new();
    let mut count = 0;
    for (at, direction) in directions.iter().enumerate().filter(|(_, it)| **it != FLAT) {
        let (x, y) = (at % INNER + 1, at / INNER + 1);
        count += 1;
        let place = 8 * (GRID * y + x) as u64 + u64::from(*direction);
        cells.add(mix(KEY.wrapping_add(place)));
    }
    (count >= CELLS_MIN).then(|| Look {
        exact: PartDigest(*blake3::hash(&directions).as_bytes()),
        sketch: cells.sketch(),
    })
}

/// Whether these are the first bytes of a picture that [`look`] reads.
#[must_use]
pub fn is_picture(head: &[u8]) -> bool {
    format(head).is_some()
}

fn format(head: &[u8]) -> Option<ImageFormat> {
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageFormat::Gif),
        _ => None,
    }
}

/// Decodes within the limits.
fn decode(content: &[u8], budget: &mut Budget) -> Option<Brightness> {
    let format = format(content)?;
    if content.len() > PACKED_BYTES_MAX || !sides(format, content).is_none_or(is_looked_at) {
        return None;
    }
    // A decoder of PNG unpacks colour profiles before it says anything: without room none is made where the sides are
    // known. That of JPEG only reads on to the sides.
    if let Some((width, height)) = sides(format, content)
        && !budget.takes(u64::from(width) * u64::from(height))
    {
        return None;
    }
    if format == ImageFormat::Gif {
        return indexed::decode(content, sides(format, content)?);
    }
    let mut reader = ImageReader::with_format(Cursor::new(content), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    let side_max = u32::try_from(PIXELS_MAX / u64::from(SIDE_MIN)).ok()?;
    (limits.max_image_width, limits.max_image_height) = (Some(side_max), Some(side_max));
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let fits = is_looked_at((width, height)) && decoder.total_bytes() <= 8 * PIXELS_MAX;
    let is_taken = match sides(format, content) {
        Some(known) => known == (width, height),
        None => fits && budget.takes(u64::from(width) * u64::from(height)),
    };
    if !fits || !is_taken {
        return None;
    }
    Some(Brightness::of(&DynamicImage::from_decoder(decoder).ok()?))
}

/// Width and height where they stand at a fixed place: the first chunk of a PNG (its specification, section 11.2.2), the
/// logical screen of a GIF (GIF89a, section 18).
fn sides(format: ImageFormat, content: &[u8]) -> Option<(u32, u32)> {
    match format {
        ImageFormat::Png => {
            let side = |at: usize| content.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
            Some((side(16)?, side(20)?))
        }
        ImageFormat::Gif => {
            let side = |at: usize| content.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes);
            Some((side(6)?.into(), side(8)?.into()))
        }
        _ => None,
    }
}

fn is_looked_at((width, height): (u32, u32)) -> bool {
    width.min(height) >= SIDE_MIN && u64::from(width) * u64::from(height) <= PIXELS_MAX
}

/// Mean brightness of each cell, row by row, in sixteenths.
fn grid(picture: &Brightness) -> [i32; GRID * GRID] {
    let (width, height) = (picture.width, picture.height);
    let columns: [usize; GRID + 1] = std::array::from_fn(|at| at * width / GRID);
    let mut cells = [0; GRID * GRID];
    for y in 0..GRID {
        let (top, bottom) = (y * height / GRID, (y + 1) * height / GRID);
        let mut sums = [0_u64; GRID];
        for row in top..bottom {
            for x in 0..GRID {
                sums[x] += picture.sum(row, columns[x]..columns[x + 1]);
            }
        }
        for x in 0..GRID {
            let count = ((bottom - top) * (columns[x + 1] - columns[x])).max(1) as u64;
            // A mean of bytes, in sixteenths, fits.
            cells[GRID * y + x] = (16 * sums[x] / (255 * count)) as i32;
        }
    }
    cells
}

/// A cell that does not count.
const FLAT: u8 = 255;

fn directions(grid: &[i32; GRID * GRID]) -> [u8; INNER * INNER] {
    let slope = |at: usize| {
        let (x, y) = (at % INNER + 1, at / INNER + 1);
        let cell = GRID * y + x;
        (grid[cell + 1] - grid[cell - 1], grid[cell + GRID] - grid[cell - GRID])
    };
    let steepness = |(across, down): (i32, i32)| across.abs() + down.abs();
    let mut steep: Vec<i32> = (0..INNER * INNER)
        .map(|at| steepness(slope(at)))
        .filter(|steepness| *steepness >= 16 * STEEPNESS_MIN)
        .collect();
    steep.sort_unstable();
    let Some(median) = steep.get(steep.len() / 2).copied() else { return [FLAT; INNER * INNER] };
    std::array::from_fn(|at| {
        let (across, down) = slope(at);
        if steepness((across, down)) < median {
            return FLAT;
        }
        u8::from(across > 0) | u8::from(down > 0) << 1 | u8::from(down.abs() > across.abs()) << 2
    })
}
