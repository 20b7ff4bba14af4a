//! What a simulated agent owns, and what happens to it: the same for the same name.

use std::collections::BTreeMap;

use steeple::Fixed;

/// The wallets of one agent.
#[derive(Debug)]
pub(super) struct Wallets {
    balances: BTreeMap<&'static str, i64>,
    random: u64,
    next: u64,
    name: String,
}

/// Something that happens.
#[derive(Debug)]
pub(super) struct Happening {
    pub id: String,
    pub kind: &'static str,
    pub symbol: &'static str,
    pub amount: Fixed<8>,
}

/// One coin, in units of a wallet.
const COIN: i64 = 100_000_000;

impl Wallets {
    pub fn of(name: &str) -> Self {
        let random = name
            .bytes()
            .fold(0x9e37_79b9_7f4a_7c15, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let balances = BTreeMap::from([("BTC", 2 * COIN), ("ETH", 25 * COIN), ("USDT", 40_000 * COIN)]);
        // A restarted agent must not give old numbers to new transactions.
        let next = u64::from(uuid::Uuid::new_v4().as_fields().0) << 16;
        Self { balances, random: random | 1, next, name: name.to_owned() }
    }

    /// What each wallet of these coins holds; of none: of all.
    pub fn holding(&self, symbols: &[String]) -> Vec<(&'static str, Fixed<8>)> {
        let wanted =
            |symbol: &str| symbols.is_empty() || symbols.iter().any(|asked| asked.eq_ignore_ascii_case(symbol));
        let held = self.balances.iter().filter(|(symbol, _)| wanted(symbol));
        held.map(|(symbol, units)| (*symbol, Fixed::from_units(*units))).collect()
    }

    /// A deposit or a withdrawal of a little.
    pub fn next(&mut self) -> Happening {
        let symbols: Vec<_> = self.balances.keys().copied().collect();
        let symbol = symbols[(self.draw() as usize) % symbols.len()];
        let deposit = self.draw().is_multiple_of(2);
        let share = self.draw() as i64 % 1_000 + 1;
        let balance = self.balances.entry(symbol).or_default();
        // At most a hundredth of what is there, and never nothing.
        let units = (*balance / 100_000 * share).max(1);
        let kind = if deposit { "deposit" } else { "withdrawal" };
        if deposit {
            *balance += units;
        } else {
            *balance -= units;
        }
        self.next += 1;
        Happening { id: format!("{}-{:x}", self.name, self.next), kind, symbol, amount: Fixed::from_units(units) }
    }

    /// <https://en.wikipedia.org/wiki/Xorshift>
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_falls_below_nothing_and_every_number_is_its_own() {
        let mut wallets = Wallets::of("agent");
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20_000 {
            let happening = wallets.next();
            assert!(happening.amount > Fixed::ZERO && seen.insert(happening.id));
            assert!(wallets.holding(&[]).iter().all(|(_, balance)| *balance >= Fixed::ZERO));
        }
        assert_eq!(wallets.holding(&["btc".to_owned()]).len(), 1);
    }
}
