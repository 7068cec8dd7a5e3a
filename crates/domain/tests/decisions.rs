//! Plays every case in `tests/decisions/`: policy, mail and evidence in, plan out, all as text.
//!
//! A case has a line that says why, then `--- policy` (TOML, as under `[policy]`), `--- mail` (`from`, `to`, `client`,
//! `author`, `rung`, `unverified`), `--- evidence` (`name weight [mark]`) and `--- plan`. `unscanned accept` among
//! the mail's lines asks what an edge does by itself.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by stopping

use tamis_domain::decide::{HEADERS, Input, Unscanned, decide, is_certain, unscanned};
use tamis_domain::digest::MailId;
use tamis_domain::envelope::{Client, Envelope};
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::plan::{Action, GroupPlan, HeaderEdit, Plan};
use tamis_domain::policy::lists::{Lists, Seen, Which};
use tamis_domain::policy::{Policy, Typed};
use tamis_domain::status::Rung;

const ID: MailId = MailId([0xab; 16]);

#[test]
fn every_case_gives_its_plan() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decisions");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut wrong = Vec::new();
    for path in &paths {
        let case = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expect = section(&case, "plan");
        let plan = play(&case).unwrap_or_else(|problem| format!("refused: {problem}\n"));
        if plan != expect {
            wrong.push(format!("=== {name}\n{plan}"));
        }
    }
    assert!(paths.len() >= 25, "cases are missing");
    assert!(wrong.is_empty(), "cases with another plan than written:\n{}", wrong.concat());
}

#[derive(Default)]
struct Mail {
    envelope: Envelope,
    author: String,
    rung: Rung,
    unscanned: Option<Unscanned>,
}

fn play(case: &str) -> Result<String, String> {
    let typed: Typed =
        toml::from_str(section(case, "policy")).map_err(|e| e.message().to_owned())?;
    let policy = Policy::try_from(typed).map_err(|problem| problem.to_string())?;
    let mail = mail(section(case, "mail"));
    if let Some(answer) = mail.unscanned {
        return Ok(shown(&mail.envelope, &unscanned(&mail.envelope, ID, answer)));
    }
    let evidence: Vec<Evidence> = section(case, "evidence").lines().map(evidence).collect();
    let input = Input {
        id: ID,
        envelope: &mail.envelope,
        policy: &policy,
        evidence: &evidence,
        listed: &|lists| listed(&mail, lists),
        rung: mail.rung,
    };
    let certain = if is_certain(&input) { "certain\n" } else { "" };
    Ok(format!("{certain}{}", shown(&mail.envelope, &decide(&input))))
}

/// The text between `--- name` and the next `---`.
fn section<'a>(case: &'a str, name: &str) -> &'a str {
    let head = format!("--- {name}\n");
    let Some(start) = case.find(&head) else { return "" };
    let rest = &case[start + head.len()..];
    rest.find("--- ").map_or(rest, |end| &rest[..end])
}

fn mail(lines: &str) -> Mail {
    let mut mail =
        Mail { envelope: Envelope { verified: true, ..Envelope::default() }, ..Mail::default() };
    for line in lines.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.to_owned();
        match key {
            "from" => mail.envelope.sender = value,
            "to" => mail.envelope.recipients.push(value),
            "author" => mail.author = value,
            "client" => {
                mail.envelope.client = Some(Client { address: value.parse().unwrap(), name: None });
            }
            "unverified" => mail.envelope.verified = false,
            "rung" => mail.rung = Rung::ALL.into_iter().find(|rung| rung.word() == value).unwrap(),
            "unscanned" => {
                mail.unscanned = Some(match value.as_str() {
                    "accept" => Unscanned::Accept,
                    "tempfail" => Unscanned::Tempfail,
                    "reject" => Unscanned::Reject,
                    other => panic!("{other}"),
                });
            }
            other => panic!("unknown key {other}"),
        }
    }
    mail
}

fn evidence(line: &str) -> Evidence {
    let mut words = line.split(' ');
    let name = words.next().unwrap().to_owned();
    let weight = words.next().unwrap().parse().unwrap();
    let evidence = Evidence::new("", weight, Source::Text, "");
    let evidence = Evidence { name: name.into(), ..evidence };
    match words.next() {
        None => evidence,
        Some(word) if source(word).is_some() => {
            Evidence { source: source(word).unwrap(), ..evidence }
        }
        Some("infected") => evidence.marked(Mark::Infected),
        Some("suspicious") => evidence.marked(Mark::Suspicious),
        Some("formal") => evidence.marked(Mark::Formal),
        Some("spam") => evidence.marked(Mark::Spam),
        Some(other) => panic!("unknown mark {other}"),
    }
}

/// The kind of check with this word.
fn source(word: &str) -> Option<Source> {
    [Source::Header, Source::Link, Source::Text, Source::Malware]
        .into_iter()
        .find(|source| source.word() == word)
}

/// What the check of lists gives, in short.
fn listed(mail: &Mail, lists: &Lists) -> Vec<Evidence> {
    let seen = Seen {
        sender: &mail.envelope.sender,
        from: vec![&mail.author],
        client: mail.envelope.client.as_ref().map(|client| client.address),
        verified: mail.envelope.verified,
    };
    let evidence = |which| match which {
        Which::Trusted => {
            Evidence::new("listed_trusted", -10.0, Source::List, "").marked(Mark::Trusted)
        }
        Which::Blacklisted => {
            Evidence::new("listed_blacklisted", 10.0, Source::List, "").marked(Mark::Blacklisted)
        }
    };
    lists.find(&seen).map(|found| evidence(found.list)).into_iter().collect()
}

fn shown(envelope: &Envelope, plan: &Plan) -> String {
    plan.groups.iter().map(|group| shown_group(envelope, group)).collect()
}

fn shown_group(envelope: &Envelope, group: &GroupPlan) -> String {
    let to: Vec<&str> = group
        .recipients
        .iter()
        .map(|number| envelope.recipients[usize::from(*number)].as_str())
        .collect();
    let action = match &group.action {
        Action::Accept | Action::Discard => group.action.word().to_owned(),
        Action::Redirect { to } | Action::Copy { to } => {
            format!("{} {}", group.action.word(), to.join(" "))
        }
        Action::Reject { text } | Action::Tempfail { text } => {
            format!("{} {text:?}", group.action.word())
        }
        Action::Quarantine { reason } => format!("quarantine {reason:?}"),
    };
    let mut out =
        format!("[{}] {}: {}, {action}\n", group.group, to.join(" "), group.status.word());
    let removed = group.edits.iter().take_while(|e| matches!(e, HeaderEdit::RemoveAll { .. }));
    let removed: Vec<&HeaderEdit> = removed.collect();
    let all = HEADERS.map(|name| HeaderEdit::RemoveAll { name: name.to_owned() });
    if !removed.is_empty() {
        assert_eq!(removed, all.iter().collect::<Vec<_>>(), "inbound copies of all our fields go");
        out.push_str("  remove ours\n");
    }
    for edit in &group.edits[removed.len()..] {
        match edit {
            HeaderEdit::Add { name, value } => {
                out.push_str(&format!("  {name}: {}\n", value.replace('\n', "\n  |")));
            }
            HeaderEdit::PrefixSubject { tag } => out.push_str(&format!("  tag {tag}\n")),
            HeaderEdit::RemoveAll { name } => out.push_str(&format!("  removed late: {name}\n")),
        }
    }
    out
}
