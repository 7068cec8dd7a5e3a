//! The reputation service is killed at random moments, compactions included, while reporters write: no acknowledged write
//! is lost, and no write is there in parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_reputation::log::histories::Histories;
use tamis_reputation::log::local::{COMPACT_BYTES_MAX, LocalLog};
use tamis_reputation_protocol::packet::Item;
use tamis_reputation_protocol::signatures::{Rules, Table};
use tamis_testkit::peers::Tamis;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

/// Kills, unless `TAMIS_TEST_KILLS` says how many.
const KILLS: u64 = 200;

/// Compacts every twentieth write or so.
const CONFIG: &str = "[reputation]\ncompact_bytes = 4096\n";

const REPORTERS: u8 = 4;

/// Signatures of one reporter: few, so that most are reported, deleted and reported again.
const NAMES: u8 = 60;

/// Numbers that the same seed repeats (Marsaglia's xorshift).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What is known of one signature: class, weight, times reported.
type Listed = (u8, u8, u16);
type Model = BTreeMap<u8, Listed>;

#[derive(Clone, Debug)]
enum Write {
    Add { names: Vec<u8>, class: u8, weight: u8 },
    Delete { names: Vec<u8> },
}

impl Write {
    fn apply(&self, model: &mut Model) {
        match self {
            Self::Delete { names } => model.retain(|name, _| !names.contains(name)),
            Self::Add { names, class, weight } => {
                for name in names {
                    let times = model.get(name).map_or(0, |(_, _, times)| *times);
                    model.insert(*name, (*class, *weight, times.saturating_add(1)));
                }
            }
        }
    }
}

/// One who writes to signatures of its own, so that what they must be is known whatever the others do.
struct Reporter {
    number: u8,
    numbers: Seeded,
    acknowledged: Model,
    epoch: u64,
    writes: u64,
    in_flight: Option<Write>,
}

impl Reporter {
    fn new(number: u8) -> Self {
        let numbers = Seeded(0x5eed_0000 + u64::from(number));
        let acknowledged = Model::new();
        Self { number, numbers, acknowledged, epoch: 0, writes: 0, in_flight: None }
    }

    fn organisation(&self) -> String {
        format!("organisation-{}/desk", self.number)
    }

    fn signature(&self, name: u8) -> Signature {
        let is_text = name.is_multiple_of(2);
        let kind = if is_text { SignatureKind::Text } else { SignatureKind::Link };
        let mut value = [0x11; 16];
        (value[0], value[11]) = (name.wrapping_mul(37), self.number);
        value[1] = name;
        Signature { kind, value }
    }

    fn sketch(&self, name: u8) -> Option<Sketch> {
        let lane = |lane: usize| u16::from(name) << 8 | u16::from(self.number) << 5 | lane as u16;
        name.is_multiple_of(2).then(|| Sketch(std::array::from_fn(lane)))
    }

    fn wire(&self, names: &[u8]) -> Vec<wire::Signature> {
        let signature = |name: &u8| wire::Signature {
            kind: self.signature(*name).kind.code().into(),
            value: self.signature(*name).value.to_vec(),
            sketch: self.sketch(*name).map(|it| it.to_bytes().to_vec()).unwrap_or_default(),
        };
        names.iter().map(signature).collect()
    }

    fn next(&mut self) -> Write {
        let first = self.numbers.below(NAMES.into()) as u8;
        let count = 1 + self.numbers.below(6) as u8;
        let names = (first..NAMES.min(first + count)).collect();
        if self.numbers.below(4) == 0 {
            return Write::Delete { names };
        }
        let class = 2 + self.numbers.below(3) as u8;
        Write::Add { names, class, weight: 1 + self.numbers.below(100) as u8 }
    }

    async fn send(
        &self,
        client: &mut ReputationClient<Channel>,
        write: &Write,
    ) -> Result<u64, tonic::Status> {
        let reporter = self.organisation();
        Ok(match write {
            Write::Add { names, class, weight } => {
                let request = wire::AddRequest {
                    signatures: self.wire(names),
                    class: i32::from(*class),
                    weight: u32::from(*weight),
                    reporter,
                };
                client.add(request).await?.into_inner().epoch
            }
            Write::Delete { names } => {
                let request = wire::DeleteRequest { signatures: self.wire(names), reporter };
                client.delete(request).await?.into_inner().epoch
            }
        })
    }

    /// Writes one after the other until the service is gone.
    async fn run(mut self, mut client: ReputationClient<Channel>) -> Self {
        loop {
            let write = self.next();
            self.in_flight = Some(write.clone());
            match self.send(&mut client, &write).await {
                Ok(epoch) => {
                    assert!(epoch >= self.epoch, "the epoch went back");
                    (self.epoch, self.writes) = (epoch, self.writes + 1);
                    write.apply(&mut self.acknowledged);
                }
                Err(status) => {
                    let is_refused =
                        [Code::InvalidArgument, Code::ResourceExhausted].contains(&status.code());
                    assert!(!is_refused, "{status}");
                    return self;
                }
            }
        }
    }

    /// What the table and the histories say of its signatures.
    fn found(&self, table: &Table, histories: &Histories) -> Model {
        let mut found = Model::new();
        for name in 0..NAMES {
            let signature = self.signature(name);
            let listing = table.find(&Item::exact(signature), u32::MAX);
            let prefix = signature.value.first_chunk().expect("12 bytes");
            let history = histories.history(signature.kind, prefix).expect("a log that reads");
            assert_eq!(listing.is_some(), history.is_some(), "{name}: table and histories differ");
            let Some(history) = history else { continue };
            assert_eq!(history.sketch, self.sketch(name));
            let [report] = history.reports.as_slice() else { panic!("{history:?}") };
            assert_eq!(report.reporter, self.organisation());
            found.insert(name, (report.class.code(), report.weight, report.times));
        }
        found
    }

    /// What is there is what was acknowledged, or that and the whole of the write that had no answer.
    fn settle(&mut self, table: &Table, histories: &Histories, round: u64) {
        let found = self.found(table, histories);
        let mut with_it = self.acknowledged.clone();
        if let Some(write) = self.in_flight.take() {
            write.apply(&mut with_it);
        }
        let is_one_of_both = found == self.acknowledged || found == with_it;
        assert!(
            is_one_of_both,
            "kill {round}, reporter {}: {found:?}\nacknowledged {:?}\nwith the last {with_it:?}",
            self.number, self.acknowledged
        );
        assert!(table.epoch() >= self.epoch, "kill {round}: an acknowledged epoch is gone");
        self.acknowledged = found;
    }
}

/// Opens a copy of what the kill left; the service opens the original.
fn opened(state: &Path) -> (LocalLog, Table, tempfile::TempDir) {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(state).expect("the state directory") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, copy.path().join(path.file_name().expect("a name"))).expect("a copy");
    }
    let mut table = Table::new(Rules::default());
    let opened = LocalLog::open(copy.path(), &mut table, COMPACT_BYTES_MAX);
    (opened.expect("a log that opens").log, table, copy)
}

/// Whether a compaction was going on when the service died.
fn is_in_compaction(state: &Path) -> bool {
    let names = fs::read_dir(state).expect("the state directory");
    let names: Vec<_> = names.map(|it| it.expect("an entry").file_name()).collect();
    let count = |beginning: &str| {
        names.iter().filter(|name| name.to_string_lossy().starts_with(beginning)).count()
    };
    count("snapshot.new") > 0 || count("log-") > 1 || count("snapshot-") > 1
}

async fn client(tamis: &Tamis) -> ReputationClient<Channel> {
    let address = format!("http://{}", tamis.address("reputation", "grpc"));
    let endpoint = Endpoint::from_shared(address).expect("an address");
    ReputationClient::new(endpoint.connect().await.expect("the administration port"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs our programs, which ./test builds"]
async fn no_acknowledged_write_is_lost_and_none_is_there_in_parts_however_often_it_is_killed() {
    let kills = std::env::var("TAMIS_TEST_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills = kills.unwrap_or(KILLS);
    let mut tamis = Tamis::start(&["reputation"], Some(CONFIG));
    let state = tamis.directory().join("state_dir");
    let mut moments = Seeded(0x000a_11fe_5eed);
    let mut reporters: Vec<_> = (0..REPORTERS).map(Reporter::new).collect();
    let mut in_compaction = 0;
    for round in 0..kills {
        let connected = client(&tamis).await;
        let tasks: Vec<_> = reporters
            .drain(..)
            .map(|reporter| tokio::spawn(reporter.run(connected.clone())))
            .collect();
        // A moment that nothing in the service can know.
        tokio::time::sleep(Duration::from_micros(2_000 + moments.below(150_000))).await;
        tamis.kill9();
        for task in tasks {
            reporters.push(task.await.expect("a reporter"));
        }
        in_compaction += u64::from(is_in_compaction(&state));
        let (log, table, _copy) = opened(&state);
        for reporter in &mut reporters {
            reporter.settle(&table, &log.histories(), round);
        }
        let listed: usize = reporters.iter().map(|reporter| reporter.acknowledged.len()).sum();
        assert_eq!(table.len(), listed, "kill {round}");
        tamis.restart();
        let stats = client(&tamis).await.stats(wire::StatsRequest {}).await;
        let stats = stats.expect("statistics").into_inner();
        assert_eq!(stats.epoch, table.epoch(), "kill {round}: the service sees the same");
    }
    let writes: u64 = reporters.iter().map(|reporter| reporter.writes).sum();
    println!("{kills} kills, {in_compaction} in a compaction, {writes} acknowledged writes");
    assert!(writes > 10 * kills, "{writes}");
    assert!(in_compaction > 0, "no compaction was hit");
}
