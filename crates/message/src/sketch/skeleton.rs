//! The build of a page to a similarity name: no text, no addresses, only which elements stand in which.
//!
//! # The rules
//! 1. Each start tag is a **token**: `mix(fnv(parent) + 3 * fnv(name) + 5 * classes)` with the names of the nearest open
//!    element (empty at the top) and of its own, in lower case. `classes` has a bit for each attribute that templates
//!    keep ([`ATTRIBUTES`], in their order, from bit 0); from bit 32 the class of `width`, from bit 36 that of `height`,
//!    from bit 40 that of `href` or `src`.
//! 2. Class of an **extent**: 0 none, 1 in percent, else 2 and a half of the bits of the number (so 600 and 640 are one
//!    class). Class of an **address**: 0 none, 1 `http` or `https`, 2 `mailto`, 3 `cid`, 4 `data`, 5 any other.
//!    [`FRAME`] elements are no tokens and nobody's parent: what writes a page anew (a browser that saves it, a webmail
//!    that quotes it) puts them in and takes them off.
//! 3. Two equal tokens in a row are one: a list of ten is built like one of three.
//! 4. **Windows** of three tokens in a row, `mix(KEY + 3*a + 5*b + 7*c)`, are the features of all 32 lanes.
//! 5. The **exact** name is that of the 32-byte BLAKE3 of all tokens, eight bytes each, big-endian.
//!
//! A page with fewer than [`WINDOWS_MIN`] different windows has neither: a few paragraphs are everybody's.
//! Only the first [`TOKENS_MAX`] tokens count.

use tamis_domain::digest::{PartDigest, Sketch};

use super::{Different, KEY, Minima, Order, fnv, mix};

/// Different windows that a page must have. Mail that a program wrote around a few paragraphs has a dozen.
pub const WINDOWS_MIN: usize = 32;

/// Tokens looked at. Long newsletters have some 3,000.
pub const TOKENS_MAX: usize = 20_000;

/// Attributes whose presence belongs to a template, not to a copy.
pub const ATTRIBUTES: [&str; 20] = [
    "align",
    "alt",
    "background",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "class",
    "color",
    "colspan",
    "face",
    "height",
    "href",
    "id",
    "rowspan",
    "size",
    "src",
    "style",
    "valign",
    "width",
];

/// Elements that a page has or has not without being another page: those that a reader of HTML supplies where they are
/// missing (WHATWG HTML, sections 13.1.2.4 and 13.2.6), and those of the head.
pub const FRAME: [&str; 13] = [
    "base", "body", "colgroup", "head", "html", "link", "meta", "script", "style", "tbody",
    "tfoot", "thead", "title",
];

/// Whether an element is one of [`FRAME`].
pub(crate) fn is_frame(name: &str) -> bool {
    FRAME.binary_search(&name).is_ok()
}

/// What one page is built like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeleton {
    /// BLAKE3 of the tokens.
    pub exact: PartDigest,
    /// Similarity name.
    pub sketch: Sketch,
}

/// Bytes of an element's name that count. Names that mean something are shorter; hashing an endless one again for each of
/// its children would be quadratic.
const NAME_BYTES_MAX: usize = 64;

/// Collects the tokens of a page as its tags come.
#[derive(Debug)]
pub(crate) struct Build {
    order: Order,
    windows: Minima<0, { Sketch::LANES }>,
    different: Different<WINDOWS_MIN>,
    last: [u64; 2],
    tokens: usize,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            order: Order::default(),
            windows: Minima::new(),
            different: Different::default(),
            last: [0; 2],
            tokens: 0,
        }
    }
}

impl Build {
    /// Takes a start tag: the name of the open element it stands in, which is none of [`FRAME`], its own, and its attributes.
    pub(crate) fn tag<'a>(
        &mut self,
        parent: &str,
        name: &str,
        attributes: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        if self.tokens >= TOKENS_MAX || is_frame(name) {
            return;
        }
        let classes = attributes.fold(0, |bits, (name, value)| bits | class(name, value));
        let [parent, name] = [parent, name].map(|it| fnv(it.bytes().take(NAME_BYTES_MAX)));
        let names = parent.wrapping_add(name.wrapping_mul(3));
        let token = mix(names.wrapping_add(5_u64.wrapping_mul(classes)));
        let [first, second] = self.last;
        if token == second {
            return;
        }
        self.tokens += 1;
        self.order.add(token);
        self.last = [second, token];
        if self.tokens < 3 {
            return;
        }
        let sum = KEY
            .wrapping_add(first.wrapping_mul(3))
            .wrapping_add(second.wrapping_mul(5))
            .wrapping_add(token.wrapping_mul(7));
        let window = mix(sum);
        if self.windows.add(window) {
            self.different.add(window);
        }
    }

    pub(crate) fn finish(self) -> Option<Skeleton> {
        self.different
            .is_enough()
            .then(|| Skeleton { exact: self.order.finish(), sketch: self.windows.sketch() })
    }
}

fn class(name: &[u8], value: &[u8]) -> u64 {
    let Ok(at) = ATTRIBUTES.binary_search_by(|known| known.as_bytes().cmp(name)) else { return 0 };
    let more = match name {
        b"width" => extent(value) << 32,
        b"height" => extent(value) << 36,
        b"href" | b"src" => address(value) << 40,
        _ => 0,
    };
    1 << at | more
}

fn extent(value: &[u8]) -> u64 {
    let value = value.trim_ascii();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if value[digits..].starts_with(b"%") {
        return 1;
    }
    // Nine digits are more than any screen; more of them would overflow.
    let number =
        value[..digits.min(9)].iter().fold(0_u32, |n, byte| n * 10 + u32::from(byte - b'0'));
    2 + u64::from((u32::BITS - number.leading_zeros()) / 2).min(12)
}

fn address(value: &[u8]) -> u64 {
    let value = value.trim_ascii_start();
    let begins = |scheme: &str| {
        value.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let schemes = [("https:", 1), ("http:", 1), ("mailto:", 2), ("cid:", 3), ("data:", 4)];
    schemes.into_iter().find(|(scheme, _)| begins(scheme)).map_or(5, |(_, class)| class)
}
