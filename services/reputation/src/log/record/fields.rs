//! Fields off the front of a payload. `None` everywhere: that is not what stands there.

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::signatures::{
    Authority, Change, Named, ReportTold, ReporterRecord, Saved,
};

use super::{ADD, CONTRADICTED, DELETE, FORMAT, FORMAT_WITH_POSITION, RETRACT};
use crate::log::Position;

pub(in crate::log) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub fn position(&mut self) -> Option<Position> {
        Some(Position { ms: self.u64()?, seq: self.u64()? })
    }

    /// What comes before the changes: epoch, position, count.
    pub fn commit_head(&mut self) -> Option<(u64, Option<Position>, u32)> {
        let format = self.u8()?;
        let epoch_before = self.u64()?;
        let position = match format {
            FORMAT => None,
            FORMAT_WITH_POSITION => Some(self.position()?),
            _ => return None,
        };
        Some((epoch_before, position, self.u32()?))
    }

    fn signature(&mut self) -> Option<Signature> {
        let kind = SignatureKind::from_code(self.u8()?)?;
        Some(Signature { kind, value: self.array()? })
    }

    /// The bytes of a name.
    pub fn name(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn string(&mut self) -> Option<String> {
        std::str::from_utf8(self.name()?).ok().map(str::to_owned)
    }

    fn sketch(&mut self) -> Option<Option<Sketch>> {
        match self.u8()? {
            0 => Some(None),
            1 => Some(Some(Sketch::from_bytes(&self.array()?))),
            _ => None,
        }
    }

    pub fn change(&mut self) -> Option<Change> {
        let tag = self.u8()?;
        let signature = self.signature()?;
        let at_unix_s = self.u32()?;
        let reporter = self.string()?;
        match tag {
            ADD => {
                let class = Class::from_code(self.u8()?)?;
                let weight = self.u8()?;
                let authority = Authority::from_code(self.u8()?)?;
                let sketch = self.sketch()?;
                Some(Change::Add {
                    signature,
                    sketch,
                    class,
                    weight,
                    reporter,
                    authority,
                    at_unix_s,
                })
            }
            DELETE => Some(Change::Delete { signature, reporter, at_unix_s }),
            RETRACT => Some(Change::Retract { signature, reporter, at_unix_s }),
            _ => None,
        }
    }

    pub fn saved(&mut self) -> Option<Saved> {
        let signature = self.signature()?;
        let sketch = self.sketch()?;
        let changed_epoch = self.u64()?;
        let count = self.u8()?;
        let mut reports = Vec::with_capacity(count.into());
        for _ in 0..count {
            let reporter = self.string()?;
            let class = Class::from_code(self.u8()?)?;
            let (weight, authority) = (self.u8()?, Authority::from_code(self.u8()?)?);
            let said = self.u8()?;
            reports.push(ReportTold {
                reporter,
                class,
                weight,
                authority,
                named: Named::from_code(said & !CONTRADICTED)?,
                is_contradicted: said & CONTRADICTED != 0,
                first_unix_s: self.u32()?,
                last_unix_s: self.u32()?,
                times: self.u16()?,
            });
        }
        Some(Saved { signature, sketch, reports, changed_epoch })
    }

    pub fn reporter(&mut self) -> Option<ReporterRecord> {
        Some(ReporterRecord {
            name: self.string()?,
            confirmed: self.u32()?,
            contradicted: self.u32()?,
            last_day: self.u16()?,
        })
    }
}
