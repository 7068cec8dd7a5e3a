use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;

/// A role's section, as roles write them.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Door {
    listen: String,
    deadline_ms: u32,
    peers: Vec<String>,
    limits: Limits,
    group: Vec<Group>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    spam: f64,
    on: bool,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Group {
    name: String,
}

type Variables<'a> = &'a [(&'a str, &'a str)];

fn document(text: &str, variables: Variables<'_>) -> Result<Document, ConfigError> {
    let env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Document::parse(Some(PathBuf::from("tamis.toml")), text.to_owned(), env)
}

fn door(text: &str, variables: Variables<'_>) -> Result<Door, ConfigError> {
    let document = document(text, variables)?;
    document.refuse_unknown_sections(&["door", "all"])?;
    document.section("door")
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let file = "[door]\nlisten = \"127.0.0.1:1\"\ndeadline_ms = 5\n[door.limits]\nspam = 1.5\n";
    let table: &[(Variables<'_>, Door)] = &[
        (
            &[],
            Door {
                listen: "127.0.0.1:1".into(),
                deadline_ms: 5,
                limits: Limits { spam: 1.5, on: false },
                ..Door::default()
            },
        ),
        (
            &[
                ("HOME", "/nowhere"),
                ("TAMIS_DOOR__LISTEN", "127.0.0.1:7066"),
                ("TAMIS_DOOR__DEADLINE_MS", "7"),
                ("TAMIS_DOOR__PEERS", "[\"a\", \"b\"]"),
                ("TAMIS_DOOR__LIMITS__ON", "true"),
                ("TAMIS_DOOR__GROUP", "[{ name = \"x\" }]"),
            ],
            Door {
                listen: "127.0.0.1:7066".into(),
                deadline_ms: 7,
                peers: vec!["a".into(), "b".into()],
                limits: Limits { spam: 1.5, on: true },
                group: vec![Group { name: "x".into() }],
            },
        ),
        (
            &[("TAMIS_DOOR__LISTEN", ""), ("TAMIS_DOOR__LIMITS", "{ spam = 2.5 }")],
            Door { deadline_ms: 5, limits: Limits { spam: 2.5, on: false }, ..Door::default() },
        ),
    ];
    for (variables, expected) in table {
        assert_eq!(&door(file, variables).unwrap(), expected, "{variables:?}");
    }
}

#[test]
fn no_file_and_no_variables_are_the_defaults() {
    let document = Document::load(None, std::iter::empty()).unwrap();
    assert_eq!(document.section::<Door>("door").unwrap(), Door::default());
    document.refuse_unknown_sections(&[]).unwrap();
}

#[test]
fn a_variable_alone_makes_a_section() {
    let expected = Door { deadline_ms: 9, ..Door::default() };
    assert_eq!(door("", &[("TAMIS_DOOR__DEADLINE_MS", "9")]).unwrap(), expected);
}

#[test]
fn each_mistake_is_said_with_its_place_section_and_key() {
    let table: &[(&str, Variables<'_>, &str)] = &[
        (
            "[door]\nlisten = \"x\"\nlisen = \"y\"\n",
            &[],
            "tamis.toml:3: [door] lisen: unknown field `lisen`, expected one of `listen`, `deadline_ms`, `peers`, `limits`, `group`",
        ),
        (
            "\n\n[door]\ndeadline_ms = \"soon\"\n",
            &[],
            "tamis.toml:4: [door] deadline_ms: invalid type: string \"soon\", expected u32",
        ),
        (
            "[door]\ndeadline_ms = -1\n",
            &[],
            "tamis.toml:2: [door] deadline_ms: invalid value: integer `-1`, expected u32",
        ),
        (
            "[door]\n[door.limits]\nspam = 1.0\nspem = 2.0\n",
            &[],
            "tamis.toml:4: [door] limits.spem: unknown field `spem`, expected `spam` or `on`",
        ),
        (
            "[[door.group]]\nname = \"a\"\n[[door.group]]\nname = 3\n",
            &[],
            "tamis.toml:4: [door] group.name: invalid type: integer `3`, expected a string",
        ),
        (
            "[door]\npeers = [\"a\", 3]\n",
            &[],
            "tamis.toml:2: [door] peers: invalid type: integer `3`, expected a string",
        ),
        (
            "[dor]\nlisten = \"x\"\n",
            &[],
            "tamis.toml:1: unknown section [dor]; known are door, all",
        ),
        ("listen = \"x\"\n", &[], "tamis.toml:1: unknown section [listen]; known are door, all"),
        (
            "",
            &[("TAMIS_DOR__LISTEN", "x")],
            "TAMIS_DOR__LISTEN: unknown section [dor]; known are door, all",
        ),
        (
            "[door]\nlisten = \"x\"\n",
            &[("TAMIS_DOOR__LIMITS__SPEM", "1")],
            "TAMIS_DOOR__LIMITS__SPEM: [door] limits.spem: unknown field `spem`, expected `spam` or `on`",
        ),
        (
            "[door]\ndeadline_ms = 3\n",
            &[("TAMIS_DOOR__DEADLINE_MS", "soon")],
            "TAMIS_DOOR__DEADLINE_MS: [door] deadline_ms: invalid type: string \"soon\", expected u32",
        ),
        (
            "",
            &[("TAMIS_DOOR__PEERS", "[1]")],
            "TAMIS_DOOR__PEERS: [door] peers: invalid type: integer `1`, expected a string",
        ),
        (
            "[door]\nlisten = \"x\"\n",
            &[("TAMIS_DOOR__LISTEN__PORT", "1")],
            "TAMIS_DOOR__LISTEN__PORT: no setting: it goes into a setting that is no table; lists are given whole",
        ),
        ("", &[("TAMIS_DOOR", "x")], "TAMIS_DOOR: no setting: it names no section and key"),
        ("", &[("TAMIS_DOOR__", "x")], "TAMIS_DOOR__: no setting: a section or key is empty"),
    ];
    for (text, variables, expected) in table {
        let error = door(text, variables).unwrap_err();
        assert_eq!(&error.to_string(), expected);
        assert!(!error.advice().is_empty());
    }
}

#[test]
fn a_section_that_is_no_table_is_refused() {
    let error = document("door = 3\n", &[]).unwrap().section::<Door>("door").unwrap_err();
    assert_eq!(
        error.to_string(),
        "tamis.toml:1: [door]: invalid type: integer `3`, expected struct Door"
    );
}

#[test]
fn what_is_no_toml_is_said_with_its_line() {
    for (text, line) in [("[door]\nlisten = \n", 2), ("a = 1\na = 2\n", 2), ("[door", 1)] {
        let message = document(text, &[]).unwrap_err().to_string();
        assert!(message.starts_with(&format!("tamis.toml:{line}: ")), "{message}");
        assert!(!message.contains('\n'), "{message:?}");
    }
}

#[test]
fn variables_that_kubernetes_adds_for_services_are_no_settings() {
    let links = [
        ("TAMIS_SCANNER_SERVICE_HOST", "192.0.2.1"),
        ("TAMIS_SCANNER_SERVICE_PORT", "7062"),
        ("TAMIS_SCANNER_SERVICE_PORT_GRPC", "7062"),
        ("TAMIS_SCANNER_PORT", "tcp://192.0.2.1:7062"),
        ("TAMIS_SCANNER_PORT_7062_TCP", "tcp://192.0.2.1:7062"),
        ("TAMIS_SCANNER_PORT_7060_UDP_ADDR", "192.0.2.1"),
        ("TAMIS_PORT", "tcp://192.0.2.1:7062"),
        ("TAMIS_SERVICE_HOST", "192.0.2.1"),
        ("TAMIS_CONFIG", "/etc/tamis.toml"),
    ];
    assert_eq!(door("", &links).unwrap(), Door::default());
    for name in ["TAMIS_SCANNER_LISTEN", "TAMIS_SCANNER_PORT_X", "TAMIS_X_PORT_7_ICMP", "TAMIS_"] {
        let error = door("", &[(name, "x")]).unwrap_err();
        assert!(matches!(error, ConfigError::UnknownVariable { .. }), "{name}: {error}");
    }
}

#[test]
fn an_override_may_be_eight_deep_and_not_nine() {
    let deep = |depth: usize| format!("TAMIS_{}", vec!["A"; depth].join("__"));
    assert!(document("", &[(&deep(8), "1")]).is_ok());
    let error = document("", &[(&deep(9), "1")]).unwrap_err().to_string();
    assert!(error.ends_with("it is too deep"), "{error}");
}

#[test]
fn a_file_of_the_longest_size_is_read_and_one_byte_more_is_not() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = "#".repeat(FILE_BYTES_MAX);
    file.write_all(text.as_bytes()).unwrap();
    assert!(Document::load(Some(file.path()), std::iter::empty()).is_ok());
    file.write_all(b"#").unwrap();
    let error = Document::load(Some(file.path()), std::iter::empty()).unwrap_err();
    assert!(matches!(error, ConfigError::TooLong { .. }), "{error}");
}

#[test]
fn a_file_that_is_missing_or_no_text_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tamis.toml");
    let error = Document::load(Some(&path), std::iter::empty()).unwrap_err();
    assert!(error.to_string().contains("tamis.toml: cannot be read"), "{error}");
    std::fs::write(&path, b"a = \"\xff\"").unwrap();
    let error = Document::load(Some(&path), std::iter::empty()).unwrap_err();
    assert!(error.to_string().ends_with("is not UTF-8 text"), "{error}");
}

#[test]
fn a_secret_is_what_its_file_holds_without_the_line_end() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"open sesame \r\n").unwrap();
    assert_eq!(Secret::at(file.path()).read().unwrap().as_deref(), Some("open sesame "));
    assert_eq!(Secret::default().read().unwrap(), None);
    let sections: BTreeMap<String, Secret> =
        document("[redis]\npassword_file = \"/run/secrets/redis\"\n", &[])
            .unwrap()
            .section("redis")
            .unwrap();
    assert_eq!(sections["password_file"], Secret::at("/run/secrets/redis"));
}

#[test]
fn a_secret_of_the_longest_size_is_read_and_one_byte_more_is_not() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'x'; SECRET_BYTES_MAX]).unwrap();
    assert_eq!(Secret::at(file.path()).read().unwrap().map(|s| s.len()), Some(SECRET_BYTES_MAX));
    file.write_all(b"x").unwrap();
    assert!(matches!(Secret::at(file.path()).read(), Err(ConfigError::TooLong { .. })));
}
