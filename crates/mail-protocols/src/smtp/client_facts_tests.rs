use super::*;

fn parse(text: &str) -> Result<ClientFacts, AttributeFault> {
    ClientFacts::parse(text, &XFORWARD_ATTRIBUTES)
}

#[test]
fn attribute_names_stand_at_their_own_place() {
    for (at, (attribute, name)) in NAMES.iter().enumerate() {
        assert_eq!(*attribute as usize, at);
        assert_eq!(attribute.name(), *name);
        assert_eq!(Attribute::parse(&name.to_lowercase()), Some(*attribute));
    }
}

#[test]
fn values_are_decoded_and_told_again_the_same() {
    let line = "NAME=mx+2Bone.example.org ADDR=IPV6:2001:db8::1 PORT=52001 PROTO=ESMTP \
                HELO=a+20b IDENT=4F2A1 SOURCE=REMOTE";
    let facts = parse(line).unwrap();
    assert_eq!(facts.value(Attribute::Name), Some("mx+one.example.org"));
    assert_eq!(facts.value(Attribute::Helo), Some("a b"));
    assert_eq!(facts.ip(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!(facts.xforward_lines(&XFORWARD_ATTRIBUTES), [format!("XFORWARD {line}")]);
}

#[test]
fn what_the_sender_does_not_know_stays_unknown() {
    let facts = parse("NAME=[UNAVAILABLE] ADDR=[tempunavail] IDENT=").unwrap();
    assert_eq!(*facts.given(Attribute::Name), Given::Unavailable);
    assert_eq!(*facts.given(Attribute::Addr), Given::Unavailable);
    assert_eq!(*facts.given(Attribute::Port), Given::Unsaid);
    assert_eq!(facts.value(Attribute::Ident), Some(""));
    assert_eq!(facts.ip(), None);
    let lines = facts.xforward_lines(&XFORWARD_ATTRIBUTES);
    assert_eq!(lines, ["XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] IDENT="]);
}

#[test]
fn malformed_attributes_are_refused() {
    let names = ["", "NAME", "NOPE=1", "LOGIN=a", "=x", "ADDR"];
    for text in names {
        assert_eq!(parse(text), Err(AttributeFault::Name), "{text}");
    }
    let values = [
        "NAME=",
        "NAME=a+2",
        "NAME=a+GG",
        "NAME=a+0D+0AQUIT",
        "NAME=+FF",
        "ADDR=here",
        "ADDR=::1",
        "ADDR=IPV6:1.2.3.4",
        "PORT=65536",
        "PORT=-1",
        "PROTO=HTTP",
        "SOURCE=MOON",
        "NAME=+",
        "HELO=+-1",
    ];
    for text in values {
        assert_eq!(parse(text), Err(AttributeFault::Value), "{text}");
    }
}

#[test]
fn a_value_of_the_limit_passes_and_one_byte_more_does_not() {
    let of = |length: usize| parse(&format!("NAME={}", "n".repeat(length)));
    assert!(of(ATTRIBUTE_VALUE_BYTES_MAX).is_ok());
    assert_eq!(of(ATTRIBUTE_VALUE_BYTES_MAX + 1), Err(AttributeFault::Value));
}

#[test]
fn a_long_tale_is_told_in_two_lines_as_postfix_does() {
    let mut facts = parse("NAME=n ADDR=203.0.113.9 PORT=25 PROTO=ESMTP HELO=h IDENT=q").unwrap();
    facts.set(Attribute::Name, Given::Value("n".repeat(255)));
    facts.set(Attribute::Helo, Given::Value("h".repeat(255)));
    let lines = facts.xforward_lines(&XFORWARD_ATTRIBUTES);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with(" ADDR=203.0.113.9 PORT=25"));
    assert!(lines[1].starts_with("XFORWARD PROTO=ESMTP HELO=hh"));
    let some = facts.xforward_lines(&[Attribute::Addr, Attribute::Ident]);
    assert_eq!(some, ["XFORWARD ADDR=203.0.113.9 IDENT=q"]);
    assert!(facts.xforward_lines(&[]).is_empty());
}

#[test]
fn no_line_passes_its_limit_whatever_the_values() {
    let line_of = |name_bytes: usize| {
        let mut facts = ClientFacts::default();
        facts.set(Attribute::Helo, Given::Value("h".repeat(200)));
        facts.set(Attribute::Name, Given::Value("\u{e9}".repeat(name_bytes / 2)));
        facts.xforward_lines(&XFORWARD_ATTRIBUTES)
    };
    for name_bytes in 0..=300 {
        for line in line_of(name_bytes) {
            assert!(
                line.len() + CRLF_BYTES <= XFORWARD_LINE_BYTES_MAX,
                "{name_bytes}: {}",
                line.len()
            );
        }
    }
    // 255 bytes of name need 765 in xtext: no line holds them.
    assert_eq!(line_of(254)[0], "XFORWARD NAME=[UNAVAILABLE] HELO=".to_owned() + &"h".repeat(200));
}

#[test]
fn later_lines_add_to_earlier_ones() {
    let mut facts = parse("NAME=one ADDR=192.0.2.1").unwrap();
    facts.merge(parse("NAME=[UNAVAILABLE] HELO=two").unwrap());
    assert_eq!(*facts.given(Attribute::Name), Given::Unavailable);
    assert_eq!(facts.value(Attribute::Helo), Some("two"));
    assert_eq!(facts.ip(), Some("192.0.2.1".parse().unwrap()));
}
