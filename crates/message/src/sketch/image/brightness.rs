//! The brightness of a decoded picture, pixel by pixel; of common pictures at a tenth of the library's cost.

use std::ops::Range;
use std::sync::LazyLock;

use image::metadata::Cicp;
use image::{DynamicImage, Rgb32FImage};

/// Luma of each pixel (ITU-R BT.709, as the library gives it), transparent ones laid on white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Brightness {
    /// Pixels of a row.
    pub(super) width: usize,
    /// Rows.
    pub(super) height: usize,
    /// Rounded down, row by row.
    pub(super) luma: Vec<u8>,
    /// 255 times the same and not rounded, where any pixel is transparent.
    fine: Option<Vec<u16>>,
}

/// What lies below all pictures.
pub(super) const WHITE: u8 = 255;

/// Luma of one colour, as [`Brightness`] has it.
pub(super) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    LUMA.of(red, green, blue)
}

impl Brightness {
    /// Of rows of `width` samples, none of them transparent or each as it is on white.
    pub(super) fn opaque(width: usize, luma: Vec<u8>) -> Self {
        Self { width, height: luma.len() / width.max(1), luma, fine: None }
    }

    /// Of a picture in any of the library's forms.
    pub(super) fn of(picture: &DynamicImage) -> Self {
        let (luma, fine) = match picture {
            _ if picture.color_space() != Cicp::SRGB => slow(picture),
            DynamicImage::ImageRgb8(it) => {
                let table = &*LUMA;
                (
                    it.as_raw().chunks_exact(3).map(|it| table.of(it[0], it[1], it[2])).collect(),
                    None,
                )
            }
            DynamicImage::ImageRgba8(it) => coloured(it.as_raw()),
            DynamicImage::ImageLuma8(it) => (it.as_raw().clone(), None),
            _ => slow(picture),
        };
        Self { width: picture.width() as usize, height: picture.height() as usize, luma, fine }
    }

    /// 255 times the brightness of these columns of a row, all together.
    pub(super) fn sum(&self, row: usize, columns: Range<usize>) -> u64 {
        let span = row * self.width + columns.start..row * self.width + columns.end;
        match &self.fine {
            // A row has fewer samples than a `u32` has room for.
            None => 255 * u64::from(self.luma[span].iter().map(|it| u32::from(*it)).sum::<u32>()),
            Some(fine) => fine[span].iter().map(|it| u64::from(*it)).sum(),
        }
    }
}

type Samples = (Vec<u8>, Option<Vec<u16>>);

fn coloured(samples: &[u8]) -> Samples {
    let (table, pixels) = (&*LUMA, samples.chunks_exact(4));
    if pixels.clone().all(|pixel| pixel[3] == 255) {
        return (pixels.map(|it| table.of(it[0], it[1], it[2])).collect(), None);
    }
    laid_on_white(pixels.map(|it| (table.of(it[0], it[1], it[2]), it[3])))
}

fn slow(picture: &DynamicImage) -> Samples {
    let samples = picture.to_luma_alpha8().into_raw();
    laid_on_white(samples.chunks_exact(2).map(|it| (it[0], it[1])))
}

fn laid_on_white(pixels: impl Iterator<Item = (u8, u8)>) -> Samples {
    let fine: Vec<u16> = pixels.map(|(luma, alpha)| on_white(luma, alpha)).collect();
    (fine.iter().map(|it| (it / 255) as u8).collect(), Some(fine))
}

/// 255 times the brightness of a pixel laid on white.
fn on_white(luma: u8, alpha: u8) -> u16 {
    let (luma, alpha) = (u16::from(luma), u16::from(alpha));
    luma * alpha + 255 * (255 - alpha)
}

/// What each value of red, green and blue brings to luma, of 1.
struct Table([[f32; 256]; 3]);

static LUMA: LazyLock<Table> = LazyLock::new(|| {
    // As the library has it from their primaries.
    let samples = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let primaries = Rgb32FImage::from_raw(3, 1, samples).unwrap_or_default();
    let luma = DynamicImage::from(primaries).to_luma32f().into_raw();
    let weights: [f32; 3] = luma.try_into().unwrap_or_default();
    let value = |at: usize| at as f32 * (1.0 / 255.0);
    Table(weights.map(|weight| std::array::from_fn(|at| value(at) * weight)))
});

/// From 2^23 on the last bit of an `f32` is 1.
const ROUNDING: f32 = 8_388_608.0;

impl Table {
    /// The library's luma of a pixel, its steps in its order; it spends most of its time in rounding.
    fn of(&self, red: u8, green: u8, blue: u8) -> u8 {
        let Self([of_red, of_green, of_blue]) = self;
        let luma = of_red[usize::from(red)] + of_green[usize::from(green)];
        let luma = (luma + of_blue[usize::from(blue)]) * 255.0;
        // Beside a number this large there is room for whole ones alone: the addition rounds, and a half to what is even.
        let rounded = luma + ROUNDING;
        let is_half = luma - (rounded - ROUNDING) >= 0.5;
        (rounded.to_bits() as u8).wrapping_add(u8::from(is_half))
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, RgbImage, RgbaImage};

    use super::*;

    /// Row by row, as the library would have it.
    fn slowly(picture: &DynamicImage) -> (Vec<u8>, Vec<u16>) {
        let (luma, fine) = slow(picture);
        (luma, fine.unwrap())
    }

    fn assert_as_the_library_has_it(picture: &DynamicImage) {
        let (luma, fine) = slowly(picture);
        let ours = Brightness::of(picture);
        assert!(ours.luma == luma);
        let width = ours.width;
        for row in 0..ours.height {
            let sum =
                fine[row * width + 1..(row + 1) * width].iter().map(|it| u64::from(*it)).sum();
            assert_eq!(ours.sum(row, 1..width), sum);
        }
    }

    #[test]
    fn every_colour_is_as_bright_as_the_library_has_it() {
        for red in 0..=255_u8 {
            let colours = (0..=u16::MAX).flat_map(|it| [red, (it >> 8) as u8, it as u8]);
            let page = RgbImage::from_raw(256, 256, colours.collect()).unwrap();
            assert_as_the_library_has_it(&DynamicImage::ImageRgb8(page));
        }
        let greys = GrayImage::from_raw(16, 16, (0..=255).collect()).unwrap();
        assert_as_the_library_has_it(&DynamicImage::ImageLuma8(greys));
    }

    #[test]
    fn transparent_pixels_lie_on_white_and_a_picture_without_any_is_the_same_as_without_the_channel()
     {
        let noise = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
        let clear: Vec<u8> = (0..4 * 256 * 256).map(noise).collect();
        let page = RgbaImage::from_raw(256, 256, clear.clone()).unwrap();
        assert_as_the_library_has_it(&DynamicImage::ImageRgba8(page));
        let mut full = clear;
        full.iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = 255);
        let page = DynamicImage::ImageRgba8(RgbaImage::from_raw(256, 256, full).unwrap());
        assert_as_the_library_has_it(&page);
        assert_eq!(Brightness::of(&page), Brightness::of(&page.to_rgb8().into()));
    }
}
