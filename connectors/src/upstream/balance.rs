//! Which member gets a request.

use std::sync::atomic::{AtomicUsize, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::WeightedAddress;

/// How a member is chosen among those that can be used. Each member's share goes by its weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests under way for its weight; among equals, one after the other.
    #[default]
    LeastBusy,
    /// By what the request is about: the same asset to the same member. When a member is away only its requests go elsewhere. Requests
    /// about nothing in particular go to the least busy.
    Hash,
}

/// The members of a group as the policy sees them.
#[derive(Debug)]
pub(super) struct Balance {
    policy: Policy,
    weights: Vec<u32>,
    /// A number for each member that depends on its address alone, so that the order of a list does not matter to the hash.
    seeds: Vec<u64>,
    /// The members in turn, each as often as its weight says, well mixed.
    schedule: Vec<usize>,
    turn: AtomicUsize,
}

impl Balance {
    pub(super) fn new(policy: Policy, members: &[WeightedAddress]) -> Self {
        let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
        let seeds = members.iter().map(|member| xxh3_64_with_seed(member.address.to_string().as_bytes(), 0)).collect();
        Self { policy, schedule: schedule(&weights), weights, seeds, turn: AtomicUsize::new(0) }
    }

    /// A usable member; `None` when there is none. `load` is how many requests a member has under way.
    pub(super) fn choose(
        &self,
        affinity: Option<u64>,
        usable: impl Fn(usize) -> bool,
        load: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        match (self.policy, affinity) {
            (Policy::Hash, Some(affinity)) => self.highest_score(affinity, usable),
            (Policy::RoundRobin, _) => self.in_turn().find(|member| usable(*member)),
            (Policy::LeastBusy, _) | (Policy::Hash, None) => self.least_busy(usable, load),
        }
    }

    /// All places of the schedule, beginning with the next.
    fn in_turn(&self) -> impl Iterator<Item = usize> {
        let length = self.schedule.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % length.max(1);
        self.schedule.iter().cycle().skip(first).take(length).copied()
    }

    fn least_busy(&self, usable: impl Fn(usize) -> bool, load: impl Fn(usize) -> u32) -> Option<usize> {
        let members = self.weights.len();
        let first = self.in_turn().next()?;
        let mut best: Option<(usize, u64, u64)> = None;
        for member in (first..members).chain(0..first).filter(|member| usable(*member)) {
            let (load, weight) = (u64::from(load(member)), u64::from(self.weights[member]));
            // load / weight < best load / best weight, without division.
            if best.is_none_or(|(_, best_load, best_weight)| load * best_weight < best_load * weight) {
                best = Some((member, load, weight));
            }
        }
        best.map(|(member, ..)| member)
    }

    /// Rendezvous hashing: each pair of request and member has a score, the highest wins. Taking a member out moves only its own
    /// requests. Weights: -weight / ln(h) with h uniform in (0, 1) wins in proportion to the weight.
    fn highest_score(&self, affinity: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let score = |member: usize| {
            let hash = xxh3_64_with_seed(&affinity.to_le_bytes(), self.seeds[member]);
            // The upper 53 bits and a half: never 0 nor 1.
            let uniform = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
            -f64::from(self.weights[member]) / uniform.ln()
        };
        (0..self.weights.len()).filter(|member| usable(*member)).max_by(|a, b| score(*a).total_cmp(&score(*b)))
    }
}

/// Smooth weighted rotation: at each place the member that is furthest behind its share.
fn schedule(weights: &[u32]) -> Vec<usize> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let total: i64 = weights.iter().map(|weight| i64::from(weight / divisor)).sum();
    let mut behind = vec![0i64; weights.len()];
    let mut places = Vec::new();
    for _ in 0..total {
        for (credit, weight) in behind.iter_mut().zip(weights) {
            *credit += i64::from(weight / divisor);
        }
        // The first of the largest, so that equals keep the order of the list.
        let Some(next) = (0..behind.len()).rev().max_by_key(|member| behind[*member]) else { break };
        behind[next] -= total;
        places.push(next);
    }
    places
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(policy: Policy, weights: &[u32]) -> Balance {
        let member = |(number, weight): (usize, &u32)| WeightedAddress {
            address: format!("http://shell-{number}:8003").parse().unwrap(),
            weight: *weight,
        };
        Balance::new(policy, &weights.iter().enumerate().map(member).collect::<Vec<_>>())
    }

    fn counts(members: usize, choices: impl Iterator<Item = usize>) -> Vec<u32> {
        choices.fold(vec![0; members], |mut counts, member| {
            counts[member] += 1;
            counts
        })
    }

    #[test]
    fn rotation_follows_the_weights_and_mixes() {
        let balance = balance(Policy::RoundRobin, &[30, 10, 10]);
        let order: Vec<usize> = (0..10).filter_map(|_| balance.choose(None, |_| true, |_| 0)).collect();
        assert_eq!(order, [0, 1, 0, 2, 0, 0, 1, 0, 2, 0]);
    }

    #[test]
    fn rotation_passes_over_members_that_are_away() {
        let balance = balance(Policy::RoundRobin, &[1, 1, 1]);
        let order: Vec<usize> = (0..4).filter_map(|_| balance.choose(None, |member| member != 1, |_| 0)).collect();
        assert_eq!(order, [0, 2, 2, 0]);
        assert_eq!(balance.choose(None, |_| false, |_| 0), None);
    }

    #[test]
    fn the_least_busy_is_so_by_weight() {
        let loads = |loads: [u32; 3]| move |member: usize| loads[member];
        let balance = balance(Policy::LeastBusy, &[1, 1, 4]);
        for _ in 0..5 {
            assert_eq!(balance.choose(None, |_| true, loads([1, 2, 5])), Some(0));
            assert_eq!(balance.choose(None, |_| true, loads([1, 2, 3])), Some(2));
            assert_eq!(balance.choose(None, |member| member == 1, loads([0, 9, 0])), Some(1));
        }
        // With nothing under way all are equal, and the rotation's shares decide.
        let idle = counts(3, (0..60).filter_map(|_| balance.choose(None, |_| true, |_| 0)));
        assert_eq!(idle, [10, 10, 40]);
    }

    #[test]
    fn hashing_is_stable_and_moves_as_little_as_possible() {
        let balance = balance(Policy::Hash, &[1, 1, 2]);
        let choose = |key: u64, away: Option<usize>| balance.choose(Some(key), |member| Some(member) != away, |_| 0).unwrap();
        let all: Vec<usize> = (0..4000).map(|key| choose(key, None)).collect();
        for (key, member) in (0..).zip(&all) {
            assert_eq!(choose(key, None), *member);
            let other = choose(key, Some(1));
            assert_ne!(other, 1);
            assert!(*member == 1 || other == *member, "only what was at the member that is away moves");
        }
        let counts = counts(3, all.into_iter());
        assert!((900..1100).contains(&counts[0]) && (900..1100).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn hashing_does_not_depend_on_the_order_of_the_list() {
        let members = WeightedAddress::parse_list("http://a, http://b*2, http://c").unwrap();
        let reversed: Vec<_> = members.iter().rev().cloned().collect();
        let (one, other) = (Balance::new(Policy::Hash, &members), Balance::new(Policy::Hash, &reversed));
        for key in 0..500 {
            let chosen = |balance: &Balance| balance.choose(Some(key), |_| true, |_| 0).unwrap();
            assert_eq!(members[chosen(&one)], reversed[chosen(&other)]);
        }
    }

    #[test]
    fn requests_about_nothing_go_to_the_least_busy() {
        let balance = balance(Policy::Hash, &[1, 1]);
        assert_eq!(balance.choose(None, |_| true, |member| if member == 0 { 3 } else { 1 }), Some(1));
    }
}
