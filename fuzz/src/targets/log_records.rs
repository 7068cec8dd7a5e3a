//! The reputation service's log: frames, commits, saved signatures.

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation::log::Position;
use tamis_reputation::log::frame::{Next, PAYLOAD_BYTES_MAX, Reader, push};
use tamis_reputation::log::memory::MemoryLog;
use tamis_reputation::log::record::{
    commit, push_reporter, push_saved, read_commit, read_reporters, read_saved,
};
use tamis_reputation::log::snapshot::Foot;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

use crate::pick::Pick;

/// Reads bytes as a file of frames, as one commit and as saved signatures; writes a frame of the bytes, damages it and
/// sees that it is not believed. Changes picked from the bytes come back as they were, and make the same table.
pub fn log_records(data: &[u8]) {
    file(data);
    payload(data);
    framed(data);
    changes(&mut Pick::new(data));
}

/// Reads on until the end or the first frame that is not one; what was read is what stands there.
fn file(bytes: &[u8]) {
    let (mut reader, mut written) = (Reader::new(bytes, 0), Vec::new());
    loop {
        match reader.frame().expect("memory does not fail") {
            Next::Payload(bytes) => {
                assert!((1..=PAYLOAD_BYTES_MAX).contains(&bytes.len()));
                push(&mut written, &bytes);
                payload(&bytes);
            }
            Next::End => break assert_eq!(written, bytes),
            Next::Bad => break,
        }
        assert_eq!(reader.at(), written.len() as u64);
    }
    assert!(bytes.starts_with(&written));
}

fn payload(bytes: &[u8]) {
    if let Some(read) = read_commit(bytes) {
        let again = commit(read.epoch_before, read.position, &read.changes);
        assert_eq!(again, bytes, "a commit has one form");
        let mut table = Table::new(Rules::default());
        for change in &read.changes {
            assert_eq!(table.replay(change).is_ok(), change.check().is_ok());
        }
    }
    if let Some(saved) = read_saved(bytes) {
        let mut again = Vec::new();
        saved.iter().for_each(|saved| push_saved(&mut again, saved));
        assert_eq!(again, bytes, "a saved signature has one form");
        let mut table = Table::new(Rules::default());
        for saved in &saved {
            let _ = table.load(saved);
        }
    }
    if let Some(reporters) = read_reporters(bytes) {
        let mut again = Vec::new();
        reporters.iter().for_each(|reporter| push_reporter(&mut again, reporter));
        assert_eq!(again, bytes, "a reporter has one form");
    }
    if let Some(foot) = Foot::read(bytes, u64::MAX) {
        assert_eq!(foot.to_bytes(), bytes, "a foot has one form");
        let signatures = foot.counts.iter().map(|count| u128::from(count.signatures)).sum::<u128>();
        assert!(signatures <= u128::from(foot.reporters_at), "no memory for what is not there");
    }
}

fn framed(data: &[u8]) {
    let mut frame = Vec::new();
    push(&mut frame, data);
    let first = |bytes: &[u8]| Reader::new(bytes, 0).frame().expect("memory does not fail");
    if data.is_empty() {
        return assert_eq!(first(&frame), Next::Bad);
    }
    assert_eq!(first(&frame), Next::Payload(data.to_vec()));
    let at = usize::from(data[0]) * 7 % frame.len();
    assert!(matches!(first(&frame[..at]), Next::Bad | Next::End));
    frame[at] ^= 1;
    assert!(matches!(first(&frame), Next::Bad), "byte {at} does not count");
}

fn changes(pick: &mut Pick<'_>) {
    let epoch = pick.u64();
    let mut all = Vec::new();
    while !pick.is_empty() && all.len() < 100 {
        all.push(change(pick));
    }
    let position = pick.flag().then(|| Position { ms: pick.u64(), seq: pick.u64() });
    let bytes = commit(epoch, position, &all);
    let read = read_commit(&bytes).expect("our own commit");
    assert_eq!((read.epoch_before, read.position, &read.changes), (epoch, position, &all));
    let (mut table, memory) = (Table::new(Rules::default()), MemoryLog::default());
    let mut names = Vec::new();
    for change in &all {
        let before = table.epoch();
        if table.replay(change).is_ok() {
            memory.append(before, std::slice::from_ref(change));
            names.push(*change.signature());
        }
    }
    names.sort_by_key(|name| (name.kind.code(), name.value));
    names.dedup();
    let mut restored = Table::new(Rules::default());
    for name in names {
        let prefix = name.value.first_chunk().expect("12 bytes");
        let history = memory.histories().history(name.kind, prefix).expect("memory does not fail");
        let Some(history) = history else { continue };
        let mut bytes = Vec::new();
        push_saved(&mut bytes, &history);
        assert_eq!(read_saved(&bytes), Some(vec![history.clone()]));
        restored.load(&history).expect("what a table took");
    }
    assert_eq!(restored.len(), table.len());
}

fn change(pick: &mut Pick<'_>) -> Change {
    let kind = pick.one(&SignatureKind::ALL);
    let signature = Signature { kind, value: [pick.byte(); 16] };
    let at_unix_s = pick.u32();
    let reporter = pick.text(70).chars().take(64).collect();
    match pick.below(8) {
        0 => return Change::Delete { signature, reporter, at_unix_s },
        1 => return Change::Retract { signature, reporter, at_unix_s },
        _ => {}
    }
    let sketch = pick.flag().then(|| Sketch([pick.u16(); Sketch::LANES]));
    let (class, weight) = (pick.one(&Class::ALL), pick.byte());
    let authority = pick.one(&[Authority::Reporter, Authority::Operator]);
    Change::Add { signature, sketch, class, weight, reporter, authority, at_unix_s }
}
