//! What is built once for each plan, however many want it, and stays as it is when a changed configuration still wants it.

/// Things of one kind, by plan.
///
/// A configuration is built between [`Shared::begin`] and its end: [`Shared::accept`] forgets what only earlier ones have wanted,
/// [`Shared::reject`] what only this one has.
pub struct Shared<P, T> {
    things: Vec<Thing<P, T>>,
    generation: u64,
}

struct Thing<P, T> {
    plan: P,
    thing: T,
    /// The generation that it was built for.
    first: u64,
    /// The last one that has wanted it.
    last: u64,
    /// One that must not have it.
    stale: u64,
}

impl<P, T> Default for Shared<P, T> {
    fn default() -> Self {
        Self { things: Vec::new(), generation: 0 }
    }
}

impl<P, T: Clone> Shared<P, T> {
    /// Another configuration is going to be built.
    pub fn begin(&mut self) {
        self.generation += 1;
    }

    /// The same, for a configuration that must not have things of these plans: what they stand on is replaced.
    pub fn begin_without(&mut self, is_stale: impl Fn(&P) -> bool) {
        self.begin();
        for thing in self.things.iter_mut().filter(|thing| is_stale(&thing.plan)) {
            thing.stale = self.generation;
        }
    }

    /// The thing whose plan is the wanted one.
    pub fn get(&mut self, is_wanted: impl Fn(&P) -> bool) -> Option<T> {
        let found = self.things.iter_mut().find(|thing| thing.stale != self.generation && is_wanted(&thing.plan))?;
        found.last = self.generation;
        Some(found.thing.clone())
    }

    /// The thing of an earlier configuration whose plan is such a one, though not the wanted one.
    pub fn earlier(&self, is_alike: impl Fn(&P) -> bool) -> Option<T> {
        let earlier = self.things.iter().filter(|thing| thing.last != self.generation);
        earlier.filter(|thing| is_alike(&thing.plan)).map(|thing| thing.thing.clone()).next_back()
    }

    /// The thing that this configuration has wanted already, whose plan is such a one.
    pub fn of_now(&self, is_alike: impl Fn(&P) -> bool) -> Option<T> {
        let now = self.things.iter().filter(|thing| thing.last == self.generation);
        now.filter(|thing| is_alike(&thing.plan)).map(|thing| thing.thing.clone()).next()
    }

    /// Keeps a thing that was built, and gives it back.
    pub fn insert(&mut self, plan: P, thing: T) -> T {
        self.things.push(Thing { plan, thing: thing.clone(), first: self.generation, last: self.generation, stale: 0 });
        thing
    }

    /// Puts a thing in the place of the one that this configuration has wanted.
    pub fn replace(&mut self, thing: T, is_wanted: impl Fn(&P) -> bool) {
        let generation = self.generation;
        let place = self.things.iter_mut().find(|known| known.last == generation && is_wanted(&known.plan));
        place.into_iter().for_each(|place| place.thing = thing.clone());
    }

    /// All that this configuration has wanted, in the order in which it was built.
    pub fn wanted(&self) -> Vec<T> {
        self.things.iter().filter(|thing| thing.last == self.generation).map(|thing| thing.thing.clone()).collect()
    }

    /// This configuration is in force; gives what nothing wants any more.
    pub fn accept(&mut self) -> Vec<T> {
        let generation = self.generation;
        self.things.extract_if(.., |thing| thing.last != generation).map(|thing| thing.thing).collect()
    }

    /// This configuration is given up; gives what was built for it alone.
    pub fn reject(&mut self) -> Vec<T> {
        let generation = self.generation;
        self.things.extract_if(.., |thing| thing.first == generation).map(|thing| thing.thing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(shared: &mut Shared<u8, &'static str>, wanted: &[(u8, &'static str)]) {
        shared.begin();
        for (plan, thing) in wanted {
            if shared.get(|known| known == plan).is_none() {
                shared.insert(*plan, thing);
            }
        }
    }

    #[test]
    fn what_is_still_wanted_stays() {
        let mut shared = Shared::default();
        build(&mut shared, &[(1, "one"), (2, "two")]);
        assert!(shared.accept().is_empty());
        build(&mut shared, &[(2, "another two"), (3, "three")]);
        assert_eq!(shared.wanted(), ["two", "three"]);
        assert_eq!(shared.accept(), ["one"]);
        assert_eq!(shared.wanted(), ["two", "three"]);
    }

    #[test]
    fn what_is_stale_is_built_anew() {
        let mut shared = Shared::default();
        build(&mut shared, &[(1, "one"), (2, "two")]);
        shared.accept();
        for accepted in [false, true] {
            shared.begin_without(|plan| *plan == 1);
            assert_eq!((shared.get(|plan| *plan == 1), shared.get(|plan| *plan == 2)), (None, Some("two")));
            shared.insert(1, "new one");
            assert_eq!(shared.get(|plan| *plan == 1), Some("new one"));
            if accepted {
                assert_eq!(shared.accept(), ["one"]);
            } else {
                assert_eq!(shared.reject(), ["new one"]);
            }
        }
        build(&mut shared, &[(1, "another one"), (2, "another two")]);
        assert_eq!(shared.wanted(), ["two", "new one"]);
    }

    #[test]
    fn what_was_given_up_leaves_no_trace() {
        let mut shared = Shared::default();
        build(&mut shared, &[(1, "one"), (2, "two")]);
        shared.accept();
        build(&mut shared, &[(2, "two"), (3, "three")]);
        assert_eq!(shared.reject(), ["three"]);
        build(&mut shared, &[(1, "another one"), (2, "another two")]);
        assert_eq!(shared.wanted(), ["one", "two"]);
        assert!(shared.accept().is_empty());
    }
}
