//! Lists of chunks, and the cutting of files.

use tamis_bases::chunks::{CHUNK_BYTES_MAX, Name, cut};
use tamis_bases::keys::SigningKey;
use tamis_bases::lists::{Entry, List, Lister};
use tamis_bases::manifest::{Endorsed, FileEntry, Manifest};
use tamis_bases::pull::{Event, Pull, Want};

use crate::pick::Pick;

/// Bytes -> list -> the same bytes; pulled as the list of a file, it asks for what it names and for nothing twice. A file of
/// the bytes is cut into pieces that are the file again, and its lists name them in order.
pub fn bases_list(data: &[u8]) {
    if let Ok(list) = List::decode(data) {
        assert_eq!(list.encode(), data, "a list has one form");
        pulled(&list, data);
    }
    let mut pick = Pick::new(data);
    let entries = (0..pick.below(200)).map(|_| {
        let bytes = 1 + u64::from(pick.u32()) % CHUNK_BYTES_MAX as u64;
        Entry { name: Name([pick.byte(); 32]), bytes }
    });
    let list = List { entries: entries.collect(), is_of_lists: pick.flag() };
    assert_eq!(List::decode(&list.encode()), Ok(list));
    cut_and_listed(data, 1 + pick.below(8));
}

fn pulled(list: &List, bytes: &[u8]) {
    let hub = SigningKey::from_seed(&[1; 32]).expect("a key");
    let channel = "main".parse().expect("a label");
    let name = Name::of(bytes);
    let file = FileEntry {
        name: "file".parse().expect("a label"),
        bytes: list.bytes(),
        whole: Name([0; 32]),
        list: name,
    };
    let manifest = Manifest {
        keys: vec![Endorsed::by(&hub, &channel, hub.public())],
        channel,
        generation: 1,
        previous: 0,
        created_unix_s: 0,
        not_after_unix_s: 0,
        retired: Vec::new(),
        files: vec![file],
    };
    let mut pull = Pull::new(manifest.sign(&hub).expect("a sound manifest"));
    assert_eq!(pull.poll(), Some(Want::List(name)));
    if pull.handle(Event::List(name, bytes)).is_err() {
        return;
    }
    let mut asked = std::collections::BTreeSet::new();
    while let Some(want) = pull.poll() {
        assert!(asked.insert(want.name()), "asked for twice");
        assert!(list.entries.iter().any(|entry| entry.name == want.name()));
        match want {
            Want::List(name) => assert!(pull.handle(Event::List(name, b"other")).is_err()),
            Want::Piece(name, _) => pull.handle(Event::Stored(name)).expect("what was asked for"),
        }
    }
    assert_eq!(pull.is_complete(), !list.is_of_lists || list.entries.is_empty());
}

/// The bytes several times over, so that there is something to cut.
fn cut_and_listed(data: &[u8], times: usize) {
    let file = data.repeat(times * 64 * 1024 / data.len().max(1));
    let (mut rest, mut lister, mut names) = (file.as_slice(), Lister::default(), Vec::new());
    while !rest.is_empty() {
        let length = cut(rest);
        assert!((1..=CHUNK_BYTES_MAX).contains(&length));
        let (piece, behind) = rest.split_at(length);
        names.push(Name::of(piece));
        lister.push(Name::of(piece), length).expect("a short file");
        rest = behind;
    }
    let lists = lister.finish().expect("a short file");
    let list = List::decode(lists.last().expect("a list")).expect("our own list");
    assert_eq!(list.bytes(), file.len() as u64);
    assert!(list.entries.iter().map(|entry| entry.name).eq(names));
}
