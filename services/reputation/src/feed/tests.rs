//! Staging and reading without a network: pieces, their limits, what is not read again.

use std::fs::{self, File};
use std::path::Path;

use tamis_bases::keys::SigningKey;
use tamis_domain::digest::{Signature, SignatureKind};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};
use tamis_runtime::clock;
use tempfile::TempDir;

use super::files::{FeedError, Files};
use super::staging::{PIECE_BYTES, PIECES_MAX, Pieces, Staging};
use super::{RULES, SNAPSHOT};
use crate::bases::config::{Config, Typed};
use crate::bases::directory::{Directory, Release};
use crate::bases::publish::{Memory, Publication, Sources};
use crate::log::local::{COMPACT_BYTES_MAX, LocalLog};
use crate::log::{Durability, Position};

const PER_COMMIT: u64 = 4096;

/// A log, the table that it makes, and a place to publish to.
struct Hub {
    dir: TempDir,
    log: LocalLog,
    table: Table,
    staging: Staging,
    memory: Memory,
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

fn change(number: u64) -> Change {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Change::Add {
        signature: Signature { kind: SignatureKind::Link, value },
        sketch: None,
        class: Class::Spam,
        weight: 50,
        reporter: "a reporter with a name of some length, as names are".to_owned(),
        authority: Authority::Operator,
        at_unix_s: 1_800_000_000,
    }
}

impl Hub {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut table = Table::new(Rules::default());
        let log = LocalLog::open(&dir.path().join("state"), &mut table, COMPACT_BYTES_MAX).unwrap();
        let log = log.log;
        let place = dir.path().join("state/published");
        let staging = Staging::new(place, Rules::default(), log.histories());
        Self { dir, log, table, staging, memory: Memory::default() }
    }

    fn commit(&mut self, commits: u64) {
        for _ in 0..commits {
            let epoch = self.table.epoch();
            let changes: Vec<Change> = (epoch..epoch + PER_COMMIT).map(change).collect();
            self.log.append(epoch, None, &changes, Durability::Buffered).unwrap();
            for change in &changes {
                self.table.replay(change).unwrap();
            }
        }
    }

    /// As a node does that shares its order with others: copies, with their places.
    fn copy(&mut self, commits: u64) {
        for _ in 0..commits {
            let epoch = self.table.epoch();
            let changes: Vec<Change> = (epoch..epoch + PER_COMMIT).map(change).collect();
            let position = Position { ms: 1 + epoch, seq: 0 };
            self.log.append(epoch, Some(position), &changes, Durability::Buffered).unwrap();
            for change in &changes {
                self.table.replay(change).unwrap();
            }
        }
    }

    fn compact(&mut self) {
        let reporters = self.table.reporters().collect();
        self.log.begin_compaction(self.table.epoch(), reporters).unwrap();
        self.log.wait_for_compaction().unwrap().unwrap();
    }

    fn config(&self) -> Config {
        Typed { dir: self.dir.path().join("bases"), ..Typed::default() }.check().unwrap().unwrap()
    }

    fn publish(&mut self) -> Release {
        let sources = Sources {
            files: self.staging.staged().unwrap(),
            carries: |_| false,
            heeds_rollback: false,
        };
        let publication = Publication {
            source: Path::new("").to_path_buf(),
            introduce: Vec::new(),
            retire: Vec::new(),
            valid_s: 3600,
        };
        let directory = Directory::open(&self.config()).unwrap();
        let now = clock::unix_seconds();
        directory.publish_sources(&sources, &mut self.memory, &publication, &key(), now).unwrap()
    }

    fn names(release: &Release) -> Vec<&str> {
        release.signed.manifest.files.iter().map(|file| file.name.as_str()).collect()
    }
}

fn open(release: &Release, before: Option<&Files>) -> Files {
    Files::open(release, Rules::default(), before).unwrap().unwrap()
}

fn assert_same(files: &Files, table: &Table) {
    let read = files.table().unwrap();
    assert_eq!((read.epoch(), read.len()), (table.epoch(), table.len()));
}

#[test]
fn a_long_log_is_published_in_pieces_and_only_the_last_one_changes() {
    let mut hub = Hub::new();
    hub.commit(15);
    let first = hub.publish();
    assert_eq!(Hub::names(&first), ["signatures.log.000", "signatures.log.001", RULES]);
    let before = open(&first, None);
    assert_same(&before, &hub.table);
    hub.commit(1);
    let second = hub.publish();
    let entry = |release: &Release, name: &str| release.signed.manifest.file(name).cloned();
    assert_eq!(entry(&first, "signatures.log.000"), entry(&second, "signatures.log.000"));
    assert_ne!(entry(&first, "signatures.log.001"), entry(&second, "signatures.log.001"));
    let after = open(&second, Some(&before));
    assert!(after.follow(&before).unwrap(), "what is new is enough");
    assert!(!before.follow(&after).unwrap(), "nobody goes back by going on");
    let mut fresh = 0;
    after
        .commits(before.log_bytes(), |commit| {
            fresh += commit.changes.len();
            Ok(())
        })
        .unwrap();
    assert_eq!(fresh as u64, PER_COMMIT);
    assert_same(&after, &hub.table);
    // From less than a piece to more of them.
    hub.commit(30);
    let third = open(&hub.publish(), Some(&after));
    assert!(third.follow(&after).unwrap() && third.follow(&before).unwrap());
    assert_same(&third, &hub.table);
}

#[test]
fn a_compaction_begins_a_new_stream_that_lists_the_same() {
    let mut hub = Hub::new();
    hub.commit(3);
    let before = open(&hub.publish(), None);
    hub.compact();
    assert!(hub.staging.is_old());
    hub.commit(1);
    let release = hub.publish();
    assert_eq!(Hub::names(&release), ["signatures.log.000", RULES, SNAPSHOT]);
    assert!(!hub.staging.is_old());
    let after = open(&release, Some(&before));
    assert!(!after.follow(&before).unwrap());
    assert_same(&after, &hub.table);
    let found = after.history(SignatureKind::Link, &[0; 12]).unwrap().unwrap();
    assert_eq!((found.changed_epoch, found.reports.len()), (1, 1));
}

#[test]
fn a_node_that_shares_its_order_publishes_the_copies_that_it_keeps_whole() {
    let mut hub = Hub::new();
    // It had a log of its own before.
    hub.commit(1);
    hub.copy(1);
    let first = open(&hub.publish(), None);
    assert_same(&first, &hub.table);
    hub.copy(2);
    let second = open(&hub.publish(), Some(&first));
    assert!(second.follow(&first).unwrap(), "what is new is enough");
    assert_same(&second, &hub.table);
    hub.compact();
    hub.copy(1);
    let release = hub.publish();
    assert!(Hub::names(&release).contains(&SNAPSHOT));
    assert_same(&open(&release, None), &hub.table);
}

#[test]
fn a_node_that_took_the_table_of_another_publishes_that_and_nothing_of_its_own() {
    let (mut hub, mut other) = (Hub::new(), Hub::new());
    hub.copy(2);
    let before = open(&hub.publish(), None);
    other.copy(3);
    other.compact();
    let (.., theirs) = other.log.snapshot().unwrap();
    fs::copy(theirs, hub.log.fetched_path()).unwrap();
    let mut table = Table::new(Rules::default());
    let fetched = hub.log.fetched_path();
    hub.log.install_snapshot(&fetched, &mut table).unwrap();
    hub.table = table;
    assert!(hub.staging.is_old());
    hub.copy(1);
    let after = open(&hub.publish(), Some(&before));
    assert!(!after.follow(&before).unwrap());
    assert_same(&after, &hub.table);
    assert_eq!(after.table().unwrap().epoch(), 4 * PER_COMMIT);
}

#[test]
fn a_file_that_nobody_wrote_to_is_not_read_again_until_somebody_else_publishes() {
    let mut hub = Hub::new();
    hub.commit(1);
    hub.compact();
    let first = hub.publish();
    // The same inode, length and time, but other bytes: who reads it will notice.
    let staged = hub.dir.path().join("state/published").join(SNAPSHOT);
    let (modified, mut bytes) =
        (fs::metadata(&staged).unwrap().modified().unwrap(), fs::read(&staged).unwrap());
    bytes[100] ^= 1;
    fs::write(&staged, bytes).unwrap();
    File::options().write(true).open(&staged).unwrap().set_modified(modified).unwrap();
    let entry = |release: &Release| release.signed.manifest.file(SNAPSHOT).cloned();
    hub.commit(1);
    assert_eq!(entry(&hub.publish()), entry(&first));
    let directory = Directory::open(&hub.config()).unwrap();
    directory.roll_back().unwrap();
    assert_ne!(entry(&hub.publish()), entry(&first), "its chunks may have gone: it is cut again");
}

#[test]
fn pieces_end_at_their_limit_and_the_last_one_takes_the_rest() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let mut lengths = vec![PIECE_BYTES; PIECES_MAX - 2];
    lengths.push(PIECE_BYTES - 1);
    let mut pieces = Pieces { dir: dir.path(), lengths: &mut lengths, open: None };
    pieces.write_all(b"x").unwrap();
    assert_eq!(pieces.lengths.len(), PIECES_MAX - 1);
    pieces.write_all(b"yy").unwrap();
    assert_eq!((pieces.lengths.len(), pieces.lengths[PIECES_MAX - 1]), (PIECES_MAX, 2));
    pieces.lengths[PIECES_MAX - 1] = PIECE_BYTES;
    pieces.write_all(b"z").unwrap();
    pieces.close().unwrap();
    assert_eq!((lengths.len(), lengths[PIECES_MAX - 1]), (PIECES_MAX, PIECE_BYTES + 1));
    assert_eq!(fs::read(dir.path().join("signatures.log.126")).unwrap(), b"x");
    assert_eq!(fs::read(dir.path().join("signatures.log.127")).unwrap(), b"yyz");
}

#[test]
fn a_base_as_large_as_the_site_has_room_for_is_taken_and_one_more_is_not() {
    let mut hub = Hub::new();
    hub.commit(1);
    for is_compacted in [false, true] {
        if is_compacted {
            hub.compact();
        }
        let release = hub.publish();
        let limited = |signatures_max: u64| {
            let own = Rules { signatures_max: signatures_max as usize, ..Rules::default() };
            Files::open(&release, own, None).unwrap().unwrap().table()
        };
        assert_eq!(limited(PER_COMMIT).unwrap().len() as u64, PER_COMMIT);
        assert!(matches!(limited(PER_COMMIT - 1), Err(FeedError::Bad(_))), "{is_compacted}");
    }
}
