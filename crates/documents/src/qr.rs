//! QR codes (ISO/IEC 18004) in a picture: found here, decoded by a library.
//!
//! The three corners are found by their proportions (dark and light as 1:1:3:1:1 in both directions), and the code is
//! read as a square that may be turned but not seen from the side: codes in mail are drawn, not photographed. All that is
//! tried is counted, since a picture may consist of corners.

use rqrr::{Grid, SimpleGrid};

/// Codes read in one picture.
pub const CODES_MAX: usize = 4;

/// Corners of one picture that are tried, those first that most rows found.
pub const CORNERS_MAX: usize = 16;

/// Possible corners that are kept until all are known: noise comes in any order.
const KEPT_MAX: usize = 64;

/// Possible corners that are measured in both directions.
pub const MEASURED_MAX: usize = 20_000;

/// Squares of three corners that are decoded.
pub const TRIES_MAX: usize = 24;

/// One of so many modules of the timing patterns may be wrong.
const TIMING_PARTS: usize = 4;

/// Bytes of one code kept; the largest holds 2,953.
pub const CODE_BYTES_MAX: usize = 3000;

/// Least side of a picture that holds a code of 21 modules.
const SIDE_MIN: usize = 21;

/// Modules of the smallest and largest code.
const MODULES: std::ops::RangeInclusive<i32> = 21..=177;

/// Brightness of a picture, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Grey<'a> {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 0 is black; `width * height` samples.
    pub luma: &'a [u8],
}

/// One corner: its middle, and how wide a module is.
#[derive(Clone, Copy, Debug)]
struct Corner {
    x: f32,
    y: f32,
    module: f32,
    /// Rows that found it.
    seen: u32,
}

/// What the codes of a picture say.
#[must_use]
pub fn read(picture: Grey) -> Vec<String> {
    if picture.width.min(picture.height) < SIDE_MIN
        || picture.luma.len() < picture.width * picture.height
    {
        return Vec::new();
    }
    let Some(threshold) = threshold(picture) else { return Vec::new() };
    // Rows beyond the picture are none of it.
    let picture = Grey { luma: &picture.luma[..picture.width * picture.height], ..picture };
    let [dark, light] = corners(picture, threshold);
    let codes = read_marked(Marked { picture, threshold, is_inverted: false }, dark);
    if codes.is_empty() {
        return read_marked(Marked { picture, threshold, is_inverted: true }, light);
    }
    codes
}

fn read_marked(picture: Marked, mut corners: Vec<Corner>) -> Vec<String> {
    let mut codes = Vec::new();
    let mut tries = TRIES_MAX;
    while codes.len() < CODES_MAX && tries > 0 {
        let Some((found, used)) = best(picture, &corners, &mut tries) else { break };
        if !codes.contains(&found) {
            codes.push(found);
        }
        let mut at = 0;
        corners.retain(|_| {
            at += 1;
            !used.contains(&(at - 1))
        });
    }
    codes
}

/// How many samples have each value.
fn counted(samples: &[u8]) -> [u64; 256] {
    // Neighbours are often equal, and adding to one place twice waits for the first time: four tables take turns.
    let mut counts = [[0_u32; 256]; 4];
    let (eights, rest) = samples.as_chunks::<8>();
    for sample in rest {
        counts[0][usize::from(*sample)] += 1;
    }
    for eight in eights {
        // Paper is mostly blank.
        let together = u64::from_le_bytes(*eight);
        if together == together.rotate_left(8) {
            counts[0][usize::from(eight[0])] += 8;
            continue;
        }
        for (at, sample) in eight.iter().enumerate() {
            counts[at % 4][usize::from(*sample)] += 1;
        }
    }
    std::array::from_fn(|value| counts.iter().map(|it| u64::from(it[value])).sum())
}

/// The brightness between dark and light that parts them best (Otsu 1979); `None` for a picture of one brightness.
fn threshold(picture: Grey) -> Option<u8> {
    let counts = counted(picture.luma);
    let total: u64 = counts.iter().sum();
    let sum: u64 = (0..).zip(&counts).map(|(value, count)| value * count).sum();
    let (mut below, mut sum_below, mut best) = (0, 0, (0.0, None));
    for (value, count) in (0_u64..256).zip(&counts) {
        below += count;
        sum_below += value * count;
        if below == 0 || below == total {
            continue;
        }
        let (left, right) = (below as f64, (total - below) as f64);
        let distance = sum_below as f64 / left - (sum - sum_below) as f64 / right;
        let spread = left * right * distance * distance;
        if spread > best.0 {
            best = (spread, u8::try_from(value).ok());
        }
    }
    best.1
}

/// A picture of dark and light.
#[derive(Clone, Copy, Debug)]
struct Marked<'a> {
    picture: Grey<'a>,
    /// The brightest of the dark.
    threshold: u8,
    is_inverted: bool,
}

impl Marked<'_> {
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let luma = self.picture.luma[y * self.picture.width + x];
        (luma <= self.threshold) != self.is_inverted
    }

    /// Lengths of light and dark outwards from the middle of a corner: half the heart, light, dark; at most `max` each.
    fn ray(&self, x: usize, y: usize, step: (isize, isize), max: usize) -> Option<[usize; 3]> {
        let (mut x, mut y) = (x, y);
        let mut runs = [0; 3];
        for (at, run) in runs.iter_mut().enumerate() {
            while self.is_dark(x, y) == (at != 1) {
                *run += 1;
                if *run > max {
                    return None;
                }
                match (x.checked_add_signed(step.0), y.checked_add_signed(step.1)) {
                    (Some(next_x), Some(next_y))
                        if next_x < self.picture.width && next_y < self.picture.height =>
                    {
                        (x, y) = (next_x, next_y);
                    }
                    // The picture ends behind the corner.
                    _ if at == 2 => return Some(runs),
                    _ => return None,
                }
            }
        }
        Some(runs)
    }

    /// The middle of a corner along one direction, and the width of a module.
    fn cross(&self, x: usize, y: usize, along: (isize, isize), module: f32) -> Option<(f32, f32)> {
        if !self.is_dark(x, y) {
            return None;
        }
        let max = (4.0 * module) as usize + 2;
        let ahead = self.ray(x, y, along, max)?;
        let back = self.ray(x, y, (-along.0, -along.1), max)?;
        let runs = [back[2], back[1], ahead[0] + back[0] - 1, ahead[1], ahead[2]];
        let measured = proportioned(runs)?;
        Some((0.5 * (ahead[0] as f32 - back[0] as f32), measured))
    }
}

/// The width of a module if five runs are as 1:1:3:1:1.
fn proportioned(runs: [usize; 5]) -> Option<f32> {
    let total: usize = runs.iter().sum();
    if total < 7 {
        return None;
    }
    let module = total as f32 / 7.0;
    let fits = |run: usize, modules: f32| {
        (run as f32 - modules * module).abs() <= 0.5 * modules.max(1.2) * module + 0.4
    };
    let all = runs.into_iter().zip([1.0, 1.0, 3.0, 1.0, 1.0]);
    all.into_iter().all(|(run, modules)| fits(run, modules)).then_some(module)
}

/// Possible corners drawn dark on light, and light on dark; those first that most rows found.
fn corners(picture: Grey, threshold: u8) -> [Vec<Corner>; 2] {
    let marked = [false, true].map(|is_inverted| Marked { picture, threshold, is_inverted });
    let mut found = [(Vec::new(), MEASURED_MAX), (Vec::new(), MEASURED_MAX)];
    // The heart of a corner is three modules high, so every second row meets it; in tall pictures fewer do.
    let step = (1 + picture.height / 700).max(2);
    for (y, row) in picture.luma.chunks_exact(picture.width).enumerate().step_by(step) {
        // The end of the present run, and of the five before it.
        let (mut ends, mut is_dark) = ([0; 6], row.first().is_some_and(|it| *it <= threshold));
        each_run(row, threshold, |end| {
            ends = [ends[1], ends[2], ends[3], ends[4], ends[5], end];
            if has_heart(&ends) {
                let runs = std::array::from_fn(|at| ends[at + 1] - ends[at]);
                let (corners, left) = &mut found[usize::from(!is_dark)];
                if *left > 0 && proportioned(runs).is_some() {
                    *left -= 1;
                    measure(marked[usize::from(!is_dark)], runs, end, y, corners);
                }
            }
            is_dark = !is_dark;
        });
    }
    found.map(|(corners, _)| ranked(corners))
}

/// Calls `ends` with the end of each run of samples that are all dark, or all light.
fn each_run(row: &[u8], threshold: u8, mut ends: impl FnMut(usize)) {
    let is_light = |sample: &u8| u64::from(*sample > threshold);
    let mut before = row.first().map_or(0, is_light);
    for (number, some) in row.chunks(64).enumerate() {
        let (eights, rest) = some.as_chunks::<8>();
        let mut light = 0;
        for (at, eight) in eights.iter().enumerate() {
            light |= light_of(u64::from_le_bytes(*eight), threshold) << (8 * at);
        }
        for (at, sample) in rest.iter().enumerate() {
            light |= is_light(sample) << (8 * eights.len() + at);
        }
        // A bit for each sample that is not as the one before it.
        let mut changes = (light ^ (light << 1 | before)) & (u64::MAX >> (64 - some.len()));
        before = light >> (some.len() - 1) & 1;
        while changes != 0 {
            ends(64 * number + changes.trailing_zeros() as usize);
            changes &= changes - 1;
        }
    }
    if !row.is_empty() {
        ends(row.len());
    }
}

/// A bit for each of eight samples that is brighter than the threshold.
const fn light_of(samples: u64, threshold: u8) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    // The sum of the lower seven bits reaches the eighth if they are above those of the threshold.
    let sums = (samples & !HIGH) + EACH * (127 - (threshold & 127)) as u64;
    let light = if threshold < 128 { sums | samples } else { sums & samples };
    // One factor brings the eight bits together.
    ((light & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Whether the middle run is as long as [`proportioned`] wants it at least: most are not, and this is a cheap question.
const fn has_heart(ends: &[usize; 6]) -> bool {
    let (heart, total) = (ends[3] - ends[2], ends[5] - ends[0]);
    14 * heart + 6 >= 3 * total
}

fn ranked(mut found: Vec<Corner>) -> Vec<Corner> {
    found.sort_by_key(|corner| std::cmp::Reverse(corner.seen));
    found.truncate(CORNERS_MAX);
    found
}

/// Measures what may be a corner, the runs of which end before column `end` of row `y`.
fn measure(picture: Marked, runs: [usize; 5], end: usize, y: usize, found: &mut Vec<Corner>) {
    let module = runs.iter().sum::<usize>() as f32 / 7.0;
    let x = end - runs[4] - runs[3] - runs[2].div_ceil(2);
    let Some((up, tall)) = picture.cross(x, y, (0, 1), module) else { return };
    let middle_y = y as f32 + up;
    let Some((aside, wide)) = picture.cross(x, middle_y as usize, (1, 0), module) else { return };
    if tall > 1.5 * wide || wide > 1.5 * tall {
        return;
    }
    let (x, module) = (x as f32 + aside, 0.5 * (tall + wide));
    let near = |corner: &&mut Corner| {
        (corner.x - x).abs() < 2.0 * module && (corner.y - middle_y).abs() < 2.0 * module
    };
    if let Some(corner) = found.iter_mut().find(near) {
        corner.seen += 1;
    } else if found.len() < KEPT_MAX {
        found.push(Corner { x, y: middle_y, module, seen: 1 });
    }
}

/// The first three corners that are those of a code, and what it says.
fn best(picture: Marked, corners: &[Corner], tries: &mut usize) -> Option<(String, [usize; 3])> {
    let mut squares: Vec<(f32, [usize; 3])> = Vec::new();
    for a in 0..corners.len() {
        for b in 0..corners.len() {
            for c in b + 1..corners.len() {
                if a != b && a != c {
                    let fault = fault(&corners[a], &corners[b], &corners[c]);
                    squares.extend(fault.map(|fault| (fault, [a, b, c])));
                }
            }
        }
    }
    squares.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    for (_, [a, b, c]) in squares {
        for modules in sizes(&corners[a], &corners[b], &corners[c]) {
            *tries = tries.checked_sub(1)?;
            if let Some(said) = decode(picture, &corners[a], &corners[b], &corners[c], modules) {
                return Some((said, [a, b, c]));
            }
        }
    }
    None
}

/// How far three corners are from a square with its right angle at `a`; `None` if too far.
fn fault(a: &Corner, b: &Corner, c: &Corner) -> Option<f32> {
    let smallest = a.module.min(b.module).min(c.module);
    let largest = a.module.max(b.module).max(c.module);
    let ((bx, by), (cx, cy)) = ((b.x - a.x, b.y - a.y), (c.x - a.x, c.y - a.y));
    let (one, other) = (bx.hypot(by), cx.hypot(cy));
    let lengths = one.max(other) / one.min(other) - 1.0;
    let angle = ((bx * cx + by * cy) / (one * other)).abs();
    let is_square = largest <= 1.6 * smallest && lengths < 0.2 && angle < 0.2;
    // Between the middles of two corners are 14 modules at least.
    let is_apart = one > 10.0 * smallest && one < 180.0 * largest;
    (is_square && is_apart).then_some(lengths + angle + (largest / smallest - 1.0))
}

/// Modules of a side, the likeliest first. They are 17 and a multiple of 4.
fn sizes(a: &Corner, b: &Corner, c: &Corner) -> impl Iterator<Item = i32> {
    let side = 0.5 * ((b.x - a.x).hypot(b.y - a.y) + (c.x - a.x).hypot(c.y - a.y));
    let module = (a.module + b.module + c.module) / 3.0;
    let about = side / module + 7.0;
    let version = ((about - 17.0) / 4.0).round() as i32;
    let all = [version, version - 1, version + 1].into_iter().map(|version| 17 + 4 * version);
    all.filter(|modules| MODULES.contains(modules))
}

fn decode(picture: Marked, a: &Corner, b: &Corner, c: &Corner, modules: i32) -> Option<String> {
    // Which of the two is right of the first, and which below, is told by the turn from one to the other.
    let turn = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    let (right, below) = if turn > 0.0 { (b, c) } else { (c, b) };
    let between = (modules - 7) as f32;
    let at = |x: usize, y: usize| {
        let (u, v) = ((x as f32 - 3.0) / between, (y as f32 - 3.0) / between);
        let px = a.x + u * (right.x - a.x) + v * (below.x - a.x);
        let py = a.y + u * (right.y - a.y) + v * (below.y - a.y);
        (px.round(), py.round())
    };
    let is_dark = |y: usize, x: usize| {
        let (px, py) = at(x, y);
        let is_inside = px >= 0.0
            && py >= 0.0
            && (px as usize) < picture.picture.width
            && (py as usize) < picture.picture.height;
        is_inside && picture.is_dark(px as usize, py as usize)
    };
    let size = usize::try_from(modules).ok()?;
    if !has_timing(size, is_dark) {
        return None;
    }
    let grid = SimpleGrid::from_func(size, |x, y| is_dark(y, x));
    let mut said = Vec::new();
    Grid::new(grid).decode_to(&mut said).ok()?;
    said.truncate(CODE_BYTES_MAX);
    Some(String::from_utf8(said).unwrap_or_else(|error| {
        error.into_bytes().into_iter().map(char::from).collect() // ISO 8859-1, the default
    }))
}

/// Whether modules of row and column 6 between the corners alternate (ISO/IEC 18004, section 6.3.5), as far as a code with
/// damage that can be corrected has them. Three corners of noise seldom do, and correcting noise is costly.
fn has_timing(size: usize, is_dark: impl Fn(usize, usize) -> bool) -> bool {
    let between = 8..size - 8;
    let is_right =
        |at: &usize| [is_dark(6, *at), is_dark(*at, 6)].map(|it| it == at.is_multiple_of(2));
    let right = between.clone().flat_map(|at| is_right(&at)).filter(|it| *it).count();
    TIMING_PARTS * right >= (TIMING_PARTS - 1) * 2 * between.len()
}

#[cfg(test)]
mod tests;
