//! The text of a page: what its operators show, in words and lines (ISO 32000-1, sections 8 and 9).
//!
//! A page has glyphs at places and no words. A gap of some width is a blank, another height is another line; both are
//! measured along the direction of writing.

use std::collections::HashMap;
use std::rc::Rc;

use crate::sink::Sink;
use crate::work::{Cut, Work};

use super::file::{File, PARSE_COST};
use super::font::Font;
use super::lexer::{Dict, Lexeme, Lexer, Object};

/// Fonts of one file that are read.
pub const FONTS_MAX: usize = 200;

/// Forms drawn in one file: headers, stamps, and pages that are one form.
pub const FORMS_MAX: usize = 500;

/// Forms within forms.
pub const FORM_DEPTH_MAX: usize = 8;

/// States kept on the stack. Readers promise 28.
pub const STATES_MAX: usize = 64;

/// Operands kept of one operator.
const OPERANDS_MAX: usize = 64;

/// Bytes of one shown string; the standard allows 32,767.
const STRING_BYTES_MAX: usize = 32 * 1024;

/// Gap between two glyphs, in heights of the text, from which on it is a blank.
const BLANK_MIN: f32 = 0.18;

/// Step across the line, in heights of the text, from which on it is another line.
const LINE_MIN: f32 = 0.5;

type Matrix = [f32; 6];

const UNIT: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// First `a`, then `b`.
fn times(a: Matrix, b: Matrix) -> Matrix {
    [
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    ]
}

/// What `q` keeps and `Q` brings back.
#[derive(Clone)]
struct State {
    place: Matrix,
    font: Option<Rc<Font>>,
    size: f32,
    char_gap: f32,
    word_gap: f32,
    stretch: f32,
    leading: f32,
}

/// Reads pages of one file into the sink.
pub(super) struct Pages<'a, 'f> {
    file: &'f File<'a>,
    sink: &'f mut Sink,
    fonts: HashMap<u32, Rc<Font>>,
    fonts_read: usize,
    forms_left: usize,
    /// Where the last glyph ended, in units of the page.
    last: Option<(f32, f32)>,
}

/// One content stream as it is run.
struct Run {
    state: State,
    stack: Vec<State>,
    text: Matrix,
    line: Matrix,
}

impl<'a, 'f> Pages<'a, 'f> {
    pub(super) fn new(file: &'f File<'a>, sink: &'f mut Sink) -> Self {
        let (fonts, last) = (HashMap::new(), None);
        Self { file, sink, fonts, fonts_read: 0, forms_left: FORMS_MAX, last }
    }

    /// Reads one page.
    pub(super) fn page(&mut self, content: &[u8], resources: &Dict<'a>, work: &mut Work) {
        self.last = None;
        self.run(content, resources, UNIT, 0, work);
        self.sink.end('\n');
    }

    fn run(
        &mut self,
        content: &[u8],
        resources: &Dict<'a>,
        place: Matrix,
        depth: usize,
        work: &mut Work,
    ) {
        let state = State {
            place,
            font: None,
            size: 1.0,
            char_gap: 0.0,
            word_gap: 0.0,
            stretch: 1.0,
            leading: 0.0,
        };
        if !work.spend((PARSE_COST - 1) * content.len()) {
            return;
        }
        let mut run = Run { state, stack: Vec::new(), text: UNIT, line: UNIT };
        let fonts = self.file.get(resources, "Font", work);
        let forms = self.file.get(resources, "XObject", work);
        let mut lexer = Lexer::new(content);
        let mut operands: Vec<Object> = Vec::new();
        while let Some(next) = lexer.next() {
            match next {
                Lexeme::Object(object) => {
                    if operands.len() < OPERANDS_MAX {
                        operands.push(object);
                    }
                    continue;
                }
                Lexeme::Word(b"ID") => skip_picture(&mut lexer),
                Lexeme::Word(b"Tf") => self.set_font(&mut run, &operands, &fonts, work),
                Lexeme::Word(b"Do") => {
                    let named = operands.first().and_then(Object::name);
                    let form = named.and_then(|name| entry(&forms, name));
                    if let Some(form) = form {
                        self.form(form, resources, run.state.place, depth, work);
                    }
                }
                Lexeme::Word(word) => self.operator(&mut run, word, &operands),
            }
            operands.clear();
            if self.sink.is_full() || work.is_spent() {
                return;
            }
        }
        if lexer.is_too_deep {
            work.cut(Cut::Depth);
        }
    }

    fn operator(&mut self, run: &mut Run, word: &[u8], operands: &[Object]) {
        let number = |at: usize| operands.get(at).and_then(Object::number).unwrap_or_default();
        let matrix = || [number(0), number(1), number(2), number(3), number(4), number(5)];
        match word {
            b"q" if run.stack.len() < STATES_MAX => run.stack.push(run.state.clone()),
            b"Q" => run.state = run.stack.pop().unwrap_or_else(|| run.state.clone()),
            b"cm" => run.state.place = times(matrix(), run.state.place),
            b"BT" => (run.text, run.line) = (UNIT, UNIT),
            b"Tm" => (run.text, run.line) = (matrix(), matrix()),
            b"Td" => run.next_line(number(0), number(1)),
            b"TD" => {
                run.state.leading = -number(1);
                run.next_line(number(0), number(1));
            }
            b"T*" => run.next_line(0.0, -run.state.leading),
            b"TL" => run.state.leading = number(0),
            b"Tc" => run.state.char_gap = number(0),
            b"Tw" => run.state.word_gap = number(0),
            b"Tz" => run.state.stretch = number(0) / 100.0,
            b"Tj" => self.show(run, operands.first()),
            b"'" => {
                run.next_line(0.0, -run.state.leading);
                self.show(run, operands.first());
            }
            b"\"" => {
                (run.state.word_gap, run.state.char_gap) = (number(0), number(1));
                run.next_line(0.0, -run.state.leading);
                self.show(run, operands.get(2));
            }
            b"TJ" => {
                for item in operands.first().map(Object::array).unwrap_or_default() {
                    match item {
                        Object::Number(back) => {
                            run.advance(-back / 1000.0 * run.state.size * run.state.stretch);
                        }
                        item => self.show(run, Some(item)),
                    }
                }
            }
            _ => {}
        }
    }

    fn show(&mut self, run: &mut Run, text: Option<&Object>) {
        let (Some(bytes), Some(font)) = (text.and_then(Object::text), run.state.font.clone())
        else {
            return;
        };
        if self.sink.is_full() {
            return;
        }
        let bytes = &bytes[..bytes.len().min(STRING_BYTES_MAX)];
        let matrix = times(run.text, run.state.place);
        self.part_from_last(matrix, run.state.size);
        let mut shown = String::with_capacity(bytes.len());
        let (width, codes, blanks) = font.put(bytes, &mut shown);
        // Control characters come from fonts that map glyphs to nothing.
        if shown.contains(|c: char| c.is_control()) {
            shown.retain(|c| !c.is_control());
        }
        self.sink.push(&shown);
        let state = &run.state;
        let gaps = state.char_gap * codes as f32 + state.word_gap * blanks as f32;
        run.advance((width / 1000.0 * state.size + gaps) * state.stretch);
        let end = times(run.text, run.state.place);
        self.last = Some((end[4], end[5]));
    }

    /// A blank or a line end between the last glyph and the next, if their distance says so.
    fn part_from_last(&mut self, matrix: Matrix, size: f32) {
        let Some((x, y)) = self.last else { return };
        let (dx, dy) = (matrix[4] - x, matrix[5] - y);
        let length = (matrix[0] * matrix[0] + matrix[1] * matrix[1]).sqrt();
        let height = size.abs() * (matrix[2] * matrix[2] + matrix[3] * matrix[3]).sqrt();
        if length <= 0.0 || height <= 0.0 || !(dx + dy).is_finite() {
            return;
        }
        let along = (dx * matrix[0] + dy * matrix[1]) / length;
        let across = (dy * matrix[0] - dx * matrix[1]) / length;
        if across.abs() > LINE_MIN * height {
            self.sink.end('\n');
        } else if along > BLANK_MIN * height || along < -height {
            self.sink.end(' ');
        }
    }

    fn set_font(
        &mut self,
        run: &mut Run,
        operands: &[Object],
        fonts: &Object<'a>,
        work: &mut Work,
    ) {
        run.state.size = operands.get(1).and_then(Object::number).unwrap_or(1.0);
        let name = operands.first().and_then(Object::name).unwrap_or_default();
        let found = entry(fonts, name);
        let number = match found {
            Some(Object::Ref(number)) => Some(*number),
            _ => None,
        };
        if let Some(known) = number.and_then(|number| self.fonts.get(&number)) {
            run.state.font = Some(Rc::clone(known));
            return;
        }
        if self.fonts_read >= FONTS_MAX {
            work.cut(Cut::Count);
            run.state.font = None;
            return;
        }
        self.fonts_read += 1;
        let font = found.map(|font| self.file.follow(font, work));
        let font = match font {
            Some(Object::Dict(dict)) => Font::read(self.file, &dict, work),
            _ => Font::read(self.file, &Dict::default(), work),
        };
        let font = Rc::new(font);
        if let Some(number) = number {
            self.fonts.insert(number, Rc::clone(&font));
        }
        run.state.font = Some(font);
    }

    /// Draws a form: a content stream with its own resources.
    fn form(
        &mut self,
        form: &Object<'a>,
        outer: &Dict<'a>,
        place: Matrix,
        depth: usize,
        work: &mut Work,
    ) {
        if depth >= FORM_DEPTH_MAX || self.forms_left == 0 {
            work.cut(if self.forms_left == 0 { Cut::Count } else { Cut::Depth });
            return;
        }
        let Some(stream) = self.file.stream(form, work) else { return };
        if !stream.dict.is("Subtype", "Form") {
            return;
        }
        self.forms_left -= 1;
        let Some(content) = self.file.content(form, work) else { return };
        let own = self.file.get(&stream.dict, "Resources", work);
        let matrix = self.file.get(&stream.dict, "Matrix", work);
        let matrix: Vec<f32> = matrix.array().iter().filter_map(Object::number).collect();
        let matrix: Matrix = matrix.try_into().unwrap_or(UNIT);
        let resources = own.dict().unwrap_or(outer);
        self.run(&content, resources, times(matrix, place), depth + 1, work);
    }
}

impl Run {
    fn next_line(&mut self, x: f32, y: f32) {
        self.line = times([1.0, 0.0, 0.0, 1.0, x, y], self.line);
        self.text = self.line;
    }

    fn advance(&mut self, x: f32) {
        self.text = times([1.0, 0.0, 0.0, 1.0, x, 0.0], self.text);
    }
}

/// The entry of a dictionary by a name that is no text.
fn entry<'d, 'a>(dict: &'d Object<'a>, name: &[u8]) -> Option<&'d Object<'a>> {
    dict.dict()?.0.iter().rfind(|(key, _)| **key == *name).map(|(_, value)| value)
}

/// Passes over the bytes of a picture that stands in the page, up to `EI` between blanks.
fn skip_picture(lexer: &mut Lexer) {
    let rest = lexer.rest();
    let is_end = |window: &[u8]| {
        window[0].is_ascii_whitespace()
            && window[1..3] == *b"EI"
            && (window[3].is_ascii_whitespace() || window[3] == 0)
    };
    let end = rest.windows(4).position(is_end).map_or(rest.len(), |at| at + 3);
    lexer.skip(end);
}
