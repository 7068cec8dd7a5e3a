//! Which characters the codes of a font stand for: `ToUnicode` maps (ISO 32000-1, section 9.10.3).

use super::lexer::{Lexeme, Lexer, Object};

/// Entries of one map that are kept. The characters of the Basic Multilingual Plane.
pub const ENTRIES_MAX: usize = 65_536;

/// Characters that one code may stand for: a ligature has three. More would let a small page grow without end.
pub const TARGET_CHARS_MAX: usize = 8;

/// What a range of codes stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// The first code for this character, the second for the next.
    Run(u32),
    /// One code for several characters.
    Text(String),
}

/// A map from codes to text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CMap {
    /// First code, last code, target; sorted.
    ranges: Vec<(u32, u32, Target)>,
    /// Whether codes of one byte, of two bytes exist.
    pub(super) has_narrow: bool,
    pub(super) has_wide: bool,
    pub(super) is_cut: bool,
}

impl CMap {
    /// Reads a map. What it says besides codes is passed over.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut map = Self::default();
        let mut lexer = Lexer::new(bytes);
        let mut operands: Vec<Object> = Vec::new();
        while let Some(next) = lexer.next() {
            match next {
                Lexeme::Object(object) if operands.len() < 4 * ENTRIES_MAX => operands.push(object),
                Lexeme::Object(_) => map.is_cut = true,
                Lexeme::Word(word) => {
                    match word {
                        b"endbfchar" => operands.chunks_exact(2).for_each(|pair| {
                            map.one(&pair[0], &pair[0], &pair[1]);
                        }),
                        b"endbfrange" => operands.chunks_exact(3).for_each(|range| {
                            map.one(&range[0], &range[1], &range[2]);
                        }),
                        b"endcodespacerange" => map.widths(&operands),
                        _ => {}
                    }
                    operands.clear();
                }
            }
        }
        map.ranges.sort_by_key(|(first, _, _)| *first);
        map
    }

    /// Whether it maps anything.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Appends what a code stands for; `false` if it is not in the map.
    pub(super) fn put(&self, code: u32, out: &mut String) -> bool {
        let at = self.ranges.partition_point(|(first, _, _)| *first <= code);
        let Some((first, last, target)) = at.checked_sub(1).and_then(|at| self.ranges.get(at))
        else {
            return false;
        };
        if code > *last {
            return false;
        }
        match target {
            Target::Run(start) => out.extend(char::from_u32(start + (code - first))),
            Target::Text(text) => out.push_str(text),
        }
        true
    }

    fn widths(&mut self, operands: &[Object]) {
        for code in operands.iter().filter_map(Object::text) {
            self.has_narrow |= code.len() == 1;
            self.has_wide |= code.len() >= 2;
        }
    }

    fn one(&mut self, first: &Object, last: &Object, target: &Object) {
        let (Some(first), Some(last)) = (code(first), code(last)) else { return };
        match target {
            Object::Text(text) => self.add(first, last.max(first), units(text)),
            Object::Array(items) => {
                for (at, item) in (first..=last.max(first)).zip(items) {
                    if let Object::Text(text) = item {
                        self.add(at, at, units(text));
                    }
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, first: u32, last: u32, text: String) {
        if self.ranges.len() >= ENTRIES_MAX {
            self.is_cut = true;
            return;
        }
        let mut chars = text.chars();
        let target = match (chars.next(), chars.next()) {
            (Some(c), None) => Target::Run(u32::from(c)),
            (None, _) => return,
            _ => Target::Text(text.chars().take(TARGET_CHARS_MAX).collect()),
        };
        self.ranges.push((first, last.min(0xffff_ff00), target));
    }
}

fn code(object: &Object) -> Option<u32> {
    let bytes = object.text()?;
    let bytes = &bytes[bytes.len().saturating_sub(4)..];
    (!bytes.is_empty()).then(|| bytes.iter().fold(0, |code, byte| code << 8 | u32::from(*byte)))
}

/// UTF-16, or one byte of Latin 1, as some write it.
fn units(bytes: &[u8]) -> String {
    match bytes {
        [byte] => char::from(*byte).to_string(),
        _ => encoding_rs::UTF_16BE.decode_without_bom_handling(bytes).0.replace('\0', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(map: &CMap, codes: &[u32]) -> String {
        let mut out = String::new();
        for code in codes {
            if !map.put(*code, &mut out) {
                out.push('?');
            }
        }
        out
    }

    #[test]
    fn codes_are_mapped_one_by_one_in_runs_and_in_lists() {
        let map = CMap::read(
            b"1 begincodespacerange <0000> <FFFF> endcodespacerange \
              2 beginbfchar <0003> <0020> <0005> <00660069> endbfchar \
              2 beginbfrange <0010> <0012> <0041> <0020> <0021> [<0058> <D83DDE00>] endbfrange",
        );
        assert!(map.has_wide && !map.has_narrow);
        assert_eq!(all(&map, &[3, 5, 0x10, 0x12, 0x13, 0x20, 0x21, 0]), " fiAC?X\u{1f600}?");
    }

    #[test]
    fn a_code_stands_for_so_many_characters_at_most() {
        for chars in [TARGET_CHARS_MAX, TARGET_CHARS_MAX + 1] {
            let map = CMap::read(format!("<01> <{}> endbfchar", "0041".repeat(chars)).as_bytes());
            assert_eq!(all(&map, &[1]), "A".repeat(TARGET_CHARS_MAX));
        }
    }

    #[test]
    fn damage_maps_nothing_and_a_huge_range_costs_nothing() {
        for bytes in [&b""[..], b"<01> endbfchar", b"1 2 endbfchar", b"<01> <02> [ endbfrange"] {
            assert!(CMap::read(bytes).is_empty(), "{}", bytes.escape_ascii());
        }
        let map = CMap::read(b"<00000000> <FFFFFFFF> <0041> endbfrange");
        assert_eq!(all(&map, &[0, 1, u32::MAX]), "AB?");
    }

    #[test]
    fn entries_are_kept_up_to_the_limit() {
        for (entries, is_cut) in [(ENTRIES_MAX, false), (ENTRIES_MAX + 1, true)] {
            let entry = |at: usize| format!("<{at:08x}> <0041>\n");
            let list: String = (0..entries).map(entry).collect();
            let map = CMap::read(format!("{list}endbfchar").as_bytes());
            assert_eq!((map.ranges.len(), map.is_cut), (ENTRIES_MAX, is_cut));
        }
    }
}
