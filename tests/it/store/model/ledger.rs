//! The books of one account, kept by hand: lists and sums, nothing shared with the code under test.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aggregates::AggregateId;
use billing_ledger::store::Receipt;

use super::Versions;
use super::asks::{Ask, Line, Unit};

const DAY: i64 = 24 * 60;
/// Shanghai is eight hours ahead all year.
const AHEAD: i64 = 8 * 60;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Recorded(Vec<Line>),
    /// The first answer again.
    Repeated(Vec<Line>),
    /// Already so.
    Nothing,
    Refused(&'static str),
    /// The id was used for something else.
    Reused,
}

impl Answer {
    /// Of a first answer and its repeats, it does not matter here which came first.
    pub(super) fn agrees_with(&self, books: &Self) -> bool {
        match (self, books) {
            (Self::Recorded(given), Self::Repeated(known)) => given == known,
            _ => self == books,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) granted: i64,
    pub(super) spent: i64,
    /// In the order they were given.
    grants: Vec<Grant>,
    packages: BTreeMap<u8, Package>,
    /// Where charges look. Whatever had ended when another one came is no longer among them.
    held: BTreeSet<u8>,
    commands: HashMap<u32, (Vec<Ask>, Vec<Line>)>,
    versions: Versions,
}

#[derive(Debug, Clone)]
struct Grant {
    number: u32,
    amount: i64,
    left: i64,
    expires: Option<i64>,
}

#[derive(Debug, Clone)]
struct Package {
    limit: i64,
    days: u32,
    anniversary: bool,
    starts: i64,
    used: BTreeMap<i64, i64>,
}

impl Account {
    /// Answers a unit of work, and does what it says if it is to be recorded.
    pub(super) fn take(&mut self, unit: &Unit) -> Answer {
        if let Some((asks, lines)) = self.commands.get(&unit.command) {
            return if *asks == unit.asks { Answer::Repeated(lines.clone()) } else { Answer::Reused };
        }
        let mut after = self.clone();
        let mut lines = Vec::new();
        for ask in &unit.asks {
            match after.answer(unit.at, ask) {
                Ok(more) => lines.extend(more),
                Err(code) => return Answer::Refused(code),
            }
        }
        if lines.is_empty() {
            return Answer::Nothing;
        }
        after.commands.insert(unit.command, (unit.asks.clone(), lines.clone()));
        *self = after;
        Answer::Recorded(lines)
    }

    fn answer(&mut self, at: i64, ask: &Ask) -> Result<Vec<Line>, &'static str> {
        match ask {
            Ask::Grant { grant, amount, expires } => self.grant(at, *grant, *amount, *expires),
            Ask::Spend { amount } => Ok(vec![self.spend(at, *amount)?]),
            Ask::Activate { package, limit, days, anniversary } => {
                self.activate(at, *package, *limit, *days, *anniversary)
            }
            Ask::Consume { package, amount } => {
                let (day_left, left) = self.running(at, *package)?;
                match *amount {
                    0 => Err("E4002"),
                    amount if amount > day_left.min(left) => Err("E4001"),
                    amount => Ok(vec![self.consume(at, *package, amount)]),
                }
            }
            Ask::Charge { amount } => self.charge(at, *amount),
        }
    }

    fn grant(&mut self, at: i64, number: u32, amount: i64, expires: Option<i64>) -> Result<Vec<Line>, &'static str> {
        // A grant that is used up is forgotten.
        if let Some(known) = self.grants.iter().find(|known| known.number == number && known.left > 0) {
            return if (known.amount, known.expires) == (amount, expires) { Ok(vec![]) } else { Err("E4010") };
        }
        if amount == 0 {
            return Err("E4002");
        }
        if expires.is_some_and(|expires| expires <= at) {
            return Err("E4011");
        }
        self.grants.push(Grant { number, amount, left: amount, expires });
        self.granted += amount;
        Ok(vec![Line::Granted { grant: number, amount, balance: self.balance() }])
    }

    fn spend(&mut self, at: i64, amount: i64) -> Result<Line, &'static str> {
        if amount == 0 {
            return Err("E4002");
        }
        if amount > self.available(at) {
            return Err("E4001");
        }
        let mut missing = amount;
        let mut from = Vec::new();
        while missing > 0 {
            let usable = self.grants.iter_mut().filter(|grant| grant.left > 0 && grant.is_worth_something(at));
            // The first of those that expire first.
            let next = usable.min_by_key(|grant| grant.expires.unwrap_or(i64::MAX)).expect("enough");
            let part = missing.min(next.left);
            next.left -= part;
            missing -= part;
            from.push((next.number, part, next.left));
        }
        self.spent += amount;
        Ok(Line::Spent { amount, from, balance: self.balance() })
    }

    fn activate(
        &mut self,
        at: i64,
        number: u8,
        limit: i64,
        days: u32,
        anniversary: bool,
    ) -> Result<Vec<Line>, &'static str> {
        if let Some(known) = self.packages.get(&number) {
            let same = (known.limit, known.days, known.anniversary) == (limit, days, anniversary);
            return if same { Ok(vec![]) } else { Err("E4022") };
        }
        if limit == 0 {
            return Err("E4020");
        }
        if days == 0 {
            return Err("E4021");
        }
        let package = Package { limit, days, anniversary, starts: at, used: BTreeMap::new() };
        let ends = package.ends();
        self.held.retain(|other| self.packages[other].ends() > at);
        self.held.insert(number);
        self.packages.insert(number, package);
        Ok(vec![
            Line::Activated { package: number, starts: at, left: limit * i64::from(days) },
            Line::Held { package: number, starts: at, ends },
        ])
    }

    /// What is left of the day and of the whole, of a package that is running.
    fn running(&self, at: i64, number: u8) -> Result<(i64, i64), &'static str> {
        let package = self.packages.get(&number).ok_or("E4023")?;
        if at < package.starts {
            return Err("E4024");
        }
        if at >= package.ends() {
            return Err("E4025");
        }
        let used_today = package.used.get(&package.day(at)).copied().unwrap_or(0);
        Ok((package.limit - used_today, package.left()))
    }

    fn consume(&mut self, at: i64, number: u8, amount: i64) -> Line {
        let package = self.packages.get_mut(&number).expect("running");
        let day = package.day(at);
        let used = package.used.entry(day).or_default();
        *used += amount;
        let day_left = package.limit - *used;
        Line::Consumed { package: number, amount, day, day_left, left: package.left() }
    }

    /// The packages a charge pays from, in their order.
    pub(super) fn found_by_charges(&self, at: i64) -> Vec<u8> {
        let mut running: Vec<u8> =
            self.held.iter().copied().filter(|number| self.running(at, *number).is_ok()).collect();
        running.sort_by_key(|number| (self.packages[number].ends(), *number));
        running
    }

    fn charge(&mut self, at: i64, amount: i64) -> Result<Vec<Line>, &'static str> {
        if amount == 0 {
            return Err("E4002");
        }
        let mut missing = amount;
        let mut shares = Vec::new();
        for number in self.found_by_charges(at) {
            let (day_left, left) = self.running(at, number)?;
            let share = missing.min(day_left).min(left);
            missing -= share;
            shares.push((number, share));
        }
        let spent = if missing > 0 { Some(self.spend(at, missing)?) } else { None };
        let paying = shares.into_iter().filter(|(_, share)| *share > 0);
        let mut lines: Vec<Line> = paying.map(|(number, share)| self.consume(at, number, share)).collect();
        lines.extend(spent);
        Ok(lines)
    }

    pub(super) fn balance(&self) -> i64 {
        self.grants.iter().map(|grant| grant.left).sum()
    }

    pub(super) fn available(&self, at: i64) -> i64 {
        self.grants.iter().filter(|grant| grant.is_worth_something(at)).map(|grant| grant.left).sum()
    }

    pub(super) fn left_today(&self, number: u8, at: i64) -> i64 {
        self.running(at, number).map_or(0, |(day_left, left)| day_left.min(left))
    }

    pub(super) fn has(&self, command: u32) -> bool {
        self.commands.contains_key(&command)
    }

    pub(super) fn commands(&self) -> usize {
        self.commands.len()
    }

    /// Each event is the next of its aggregate.
    pub(super) fn count_versions(&mut self, receipt: &Receipt) {
        for recorded in &receipt.events {
            let version = self.versions.entry(recorded.aggregate).or_default();
            *version += 1;
            assert_eq!(recorded.version, *version, "{recorded:?}");
        }
    }

    pub(super) fn version(&self, id: AggregateId) -> i64 {
        self.versions.get(&id).copied().unwrap_or_default()
    }
}

impl Grant {
    fn is_worth_something(&self, at: i64) -> bool {
        self.expires.is_none_or(|expires| at < expires)
    }
}

impl Package {
    fn ends(&self) -> i64 {
        self.starts + i64::from(self.days) * DAY
    }

    fn left(&self) -> i64 {
        self.limit * i64::from(self.days) - self.used.values().sum::<i64>()
    }

    /// Days since the first of March. They only move forward.
    fn day(&self, at: i64) -> i64 {
        let local = |at: i64| (at + AHEAD).div_euclid(DAY);
        let day = if self.anniversary { local(self.starts) + (at - self.starts) / DAY } else { local(at) };
        self.used.last_key_value().map_or(day, |(newest, _)| day.max(*newest))
    }
}
