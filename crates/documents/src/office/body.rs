//! The text of one part: runs, fields, links, in Word's, Excel's and PowerPoint's vocabulary at once.

use std::collections::BTreeMap;

use crate::sink::Sink;
use crate::work::{Cut, Work};
use crate::xml::{Attributes, Step, Walk, resolve};

/// Fields and links open within each other. Tables of contents have three.
pub const OPEN_MAX: usize = 32;

/// Bytes of an instruction or formula kept.
const INSTRUCTION_BYTES_MAX: usize = 8192;

/// What text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Markup between the texts.
    Outside,
    /// Shown.
    Shown,
    /// The instruction of a field.
    Instruction,
    /// A formula of a sheet.
    Formula,
}

/// Something that has begun and shows the text up to its end.
#[derive(Debug, Default)]
struct Open {
    /// Target of a link, or instruction of a field.
    says: String,
    is_field: bool,
    shown_from: Option<usize>,
}

/// Reads one part into the sink.
#[derive(Debug)]
pub(super) struct Body<'a> {
    sink: &'a mut Sink,
    targets: &'a BTreeMap<String, String>,
    work: &'a mut Work,
    place: Place,
    is_hidden: bool,
    open: Vec<Open>,
    formula: String,
    /// Target of the click on the run that is read.
    click: Option<String>,
    /// An element whose content is passed over, and how often it is open.
    skipped: Option<(String, u32)>,
}

impl<'a> Body<'a> {
    pub(super) const fn new(
        sink: &'a mut Sink,
        targets: &'a BTreeMap<String, String>,
        work: &'a mut Work,
    ) -> Self {
        Self {
            sink,
            targets,
            work,
            place: Place::Outside,
            is_hidden: false,
            open: Vec::new(),
            formula: String::new(),
            click: None,
            skipped: None,
        }
    }

    pub(super) fn read(mut self, markup: &str) {
        for step in Walk::new(markup) {
            if self.sink.is_full() || self.passes_over(step) {
                continue;
            }
            match step {
                Step::Open { name, attributes, is_empty } => {
                    self.begin(name, attributes, is_empty);
                    if is_empty {
                        self.finish(name);
                    }
                }
                Step::Close(name) => self.finish(name),
                Step::Text(text) if self.place != Place::Outside => self.text(&resolve(text)),
                Step::Plain(text) if self.place != Place::Outside => self.text(text),
                Step::Text(_) | Step::Plain(_) => {}
            }
        }
        while let Some(open) = self.open.pop() {
            self.closed(&open);
        }
    }

    /// The second form of what stands there already (for older programs), and readings of Japanese names.
    fn passes_over(&mut self, step: Step) -> bool {
        match (&mut self.skipped, step) {
            (Some((skipped, depth)), Step::Open { name, is_empty: false, .. }) => {
                *depth += u32::from(skipped == name);
            }
            (Some((skipped, depth)), Step::Close(name)) if skipped == name => {
                *depth -= 1;
                if *depth == 0 {
                    self.skipped = None;
                }
            }
            (None, Step::Open { name: name @ ("Fallback" | "rPh"), is_empty: false, .. }) => {
                self.skipped = Some((name.to_owned(), 1));
            }
            (None, _) => return false,
            (Some(_), _) => {}
        }
        true
    }

    fn text(&mut self, text: &str) {
        let room = |kept: &str| INSTRUCTION_BYTES_MAX.saturating_sub(kept.len());
        match self.place {
            Place::Outside => {}
            Place::Shown if self.is_hidden => self.sink.hide(text.chars().count()),
            Place::Shown => self.sink.push(text),
            Place::Instruction => {
                if let Some(field) = self.open.iter_mut().rfind(|open| open.is_field) {
                    field.says.push_str(&text[..text.floor_char_boundary(room(&field.says))]);
                }
            }
            Place::Formula => {
                let room = room(&self.formula);
                self.formula.push_str(&text[..text.floor_char_boundary(room)]);
            }
        }
    }

    fn begin(&mut self, name: &str, attributes: Attributes, is_empty: bool) {
        match name {
            "t" => {
                self.place = Place::Shown;
                if self.click.is_some() {
                    self.open(Open { shown_from: Some(self.sink.text.len()), ..Open::default() });
                }
            }
            "instrText" => self.place = Place::Instruction,
            "f" => self.place = Place::Formula,
            "r" | "fld" => (self.is_hidden, self.click) = (false, None),
            "vanish" | "webHidden" => {
                let value = attributes.value("val");
                self.is_hidden |= !matches!(value.as_deref(), Some("0" | "false" | "off"));
            }
            // With a value it is a tab stop.
            "tab" if attributes.value("val").is_none() => self.sink.end('\t'),
            "br" | "cr" => self.sink.end('\n'),
            "fldChar" => self.field(attributes.value("fldCharType").as_deref()),
            "fldSimple" => {
                let says = attributes.value("instr").unwrap_or_default().into_owned();
                self.open(Open { says, is_field: true, shown_from: Some(self.sink.text.len()) });
            }
            "hyperlink" | "hlink" | "hlinkClick" | "hlinkMouseOver" | "hlinkHover" => {
                self.link(name, attributes, is_empty);
            }
            "ddeLink" => (self.sink.facts.has_dde, self.sink.facts.has_auto_action) = (true, true),
            _ => self.rare(name, attributes),
        }
    }

    /// Elements of the single-file forms.
    fn rare(&mut self, name: &str, attributes: Attributes) {
        match name {
            "wordDocument" => {
                self.sink.facts.has_macros |=
                    attributes.value("macrosPresent").as_deref() == Some("yes");
                self.sink.facts.has_embedded_files |=
                    attributes.value("embeddedObjPresent").as_deref() == Some("yes");
            }
            "part" => {
                let part = attributes.value("name").unwrap_or_default();
                self.sink.facts.has_macros |= part.ends_with("vbaProject.bin");
            }
            "Relationship" => super::relation(attributes, self.sink),
            _ => {}
        }
    }

    fn link(&mut self, name: &str, attributes: Attributes, is_empty: bool) {
        let id = attributes.value("id");
        let target = id.and_then(|id| self.targets.get(id.as_ref()).cloned());
        let Some(target) = target.or_else(|| attributes.value("dest").map(Into::into)) else {
            // A link within the document; its end must find its beginning.
            if matches!(name, "hyperlink" | "hlink") && !is_empty {
                self.open(Open::default());
            }
            return;
        };
        match name {
            "hlinkClick" => self.click = Some(target),
            "hlinkMouseOver" | "hlinkHover" => {
                self.sink.facts.has_auto_action = true;
                self.sink.link(&target, None);
            }
            _ if is_empty => self.sink.link(&target, None),
            _ => {
                let shown_from = Some(self.sink.text.len());
                self.open(Open { says: target, is_field: false, shown_from });
            }
        }
    }

    fn field(&mut self, step: Option<&str>) {
        match step {
            Some("begin") => self.open(Open { is_field: true, ..Open::default() }),
            Some("separate") => {
                let from = self.sink.text.len();
                if let Some(field) = self.open.iter_mut().rfind(|open| open.is_field) {
                    field.shown_from = Some(from);
                }
            }
            Some("end") => self.close(true),
            _ => {}
        }
    }

    fn finish(&mut self, name: &str) {
        match name {
            "t" => {
                self.place = Place::Outside;
                if let Some(target) = self.click.take() {
                    let shown_from = self.open.pop().and_then(|open| open.shown_from);
                    self.sink.link(&target, shown_from);
                }
            }
            "instrText" => self.place = Place::Outside,
            "f" => {
                self.place = Place::Outside;
                let formula = std::mem::take(&mut self.formula);
                if let Some(target) = formula_link(&formula) {
                    self.sink.link(target, None);
                }
            }
            "p" | "tr" | "si" | "row" => self.sink.end('\n'),
            "tc" | "c" => self.sink.end('\t'),
            // A shape may be clicked as a whole.
            "cNvPr" | "docPr" => {
                if let Some(target) = self.click.take() {
                    self.sink.link(&target, None);
                }
            }
            "hyperlink" | "hlink" => self.close(false),
            "fldSimple" => self.close(true),
            _ => {}
        }
    }

    fn open(&mut self, open: Open) {
        if self.open.len() >= OPEN_MAX {
            self.work.cut(Cut::Depth);
            self.open.remove(0);
        }
        self.open.push(open);
    }

    /// Ends the innermost field or link.
    fn close(&mut self, is_field: bool) {
        if let Some(at) = self.open.iter().rposition(|open| open.is_field == is_field) {
            let open = self.open.remove(at);
            self.closed(&open);
        }
    }

    fn closed(&mut self, open: &Open) {
        if open.is_field {
            self.sink.instruct(&open.says, open.shown_from);
        } else {
            self.sink.link(&open.says, open.shown_from);
        }
    }
}

/// The address in `HYPERLINK("address", ...)`.
fn formula_link(formula: &str) -> Option<&str> {
    let upper = formula.to_ascii_uppercase();
    let at = upper.find("HYPERLINK(")?;
    let rest = formula[at + "HYPERLINK(".len()..].trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(target, _)| target)
}
