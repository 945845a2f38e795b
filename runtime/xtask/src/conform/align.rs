//! Which of our records stands where which of Debezium's stands.
//!
//! Both are in the order of the log. What is equal stays together; between that, what is about the same row and operation; and only
//! then is one missing or too many. Nothing is ever paired across another pair, so a wrong order is seen.

/// How much a pair of two records is worth. A gap is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    None = 0,
    /// The same operation on some row.
    Operation = 1,
    /// The same operation on the same row.
    Row = 3,
    Equal = 4,
}

/// Beyond this many pairs only neighbours are compared.
const CELLS_MAX: usize = 16 << 20;

/// Pairs of indexes, in order; one side is `None` for what the other does not have.
pub fn align(
    theirs: usize,
    ours: usize,
    likeness: impl Fn(usize, usize) -> Likeness,
) -> Vec<(Option<usize>, Option<usize>)> {
    let is_equal = |a: usize, b: usize| likeness(a, b) == Likeness::Equal;
    let shorter = theirs.min(ours);
    let head = (0..shorter).take_while(|i| is_equal(*i, *i)).count();
    let tail = (0..shorter - head).take_while(|i| is_equal(theirs - 1 - i, ours - 1 - i)).count();
    let mut pairs: Vec<_> = (0..head).map(|i| (Some(i), Some(i))).collect();
    let middle = (theirs - head - tail, ours - head - tail);
    pairs.extend(
        between(middle, |a, b| likeness(head + a, head + b))
            .into_iter()
            .map(|(a, b)| (a.map(|a| a + head), b.map(|b| b + head))),
    );
    pairs.extend((0..tail).rev().map(|i| (Some(theirs - 1 - i), Some(ours - 1 - i))));
    pairs
}

fn between(
    (theirs, ours): (usize, usize),
    likeness: impl Fn(usize, usize) -> Likeness,
) -> Vec<(Option<usize>, Option<usize>)> {
    if (theirs + 1).saturating_mul(ours + 1) > CELLS_MAX {
        let all = 0..theirs.max(ours);
        return all.map(|i| ((i < theirs).then_some(i), (i < ours).then_some(i))).collect();
    }
    // best[a][b]: the worth of what is left from a and b on.
    let width = ours + 1;
    let mut best = vec![0u32; (theirs + 1) * width];
    let likenesses: Vec<Likeness> = (0..theirs * ours).map(|i| likeness(i / ours.max(1), i % ours.max(1))).collect();
    for a in (0..theirs).rev() {
        for b in (0..ours).rev() {
            let pair = likenesses[a * ours + b] as u32;
            let paired = if pair > 0 { pair + best[(a + 1) * width + b + 1] } else { 0 };
            best[a * width + b] = paired.max(best[(a + 1) * width + b]).max(best[a * width + b + 1]);
        }
    }
    let (mut a, mut b) = (0, 0);
    let mut pairs = Vec::new();
    while a < theirs || b < ours {
        let here = best[a * width + b];
        let paired = a < theirs && b < ours && {
            let pair = likenesses[a * ours + b] as u32;
            pair > 0 && here == pair + best[(a + 1) * width + b + 1]
        };
        if paired {
            pairs.push((Some(a), Some(b)));
            (a, b) = (a + 1, b + 1);
        } else if a < theirs && (b == ours || here == best[(a + 1) * width + b]) {
            pairs.push((Some(a), None));
            a += 1;
        } else {
            pairs.push((None, Some(b)));
            b += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters are rows, capitals another content.
    fn aligned(theirs: &str, ours: &str) -> String {
        let (theirs, ours): (Vec<char>, Vec<char>) = (theirs.chars().collect(), ours.chars().collect());
        let likeness = |a: usize, b: usize| match (theirs[a], ours[b]) {
            (x, y) if x == y => Likeness::Equal,
            (x, y) if x.eq_ignore_ascii_case(&y) => Likeness::Row,
            ('?', _) => Likeness::Operation,
            _ => Likeness::None,
        };
        let sign = |all: &[char], at: Option<usize>| at.map_or('-', |at| all[at]);
        let pairs = align(theirs.len(), ours.len(), likeness);
        pairs.iter().map(|(a, b)| format!("{}{}", sign(&theirs, *a), sign(&ours, *b))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_missing_too_many_or_changed_stands_where_it_is() {
        assert_eq!(aligned("abc", "abc"), "aa bb cc");
        assert_eq!(aligned("abc", "ac"), "aa b- cc");
        assert_eq!(aligned("ac", "abc"), "aa -b cc");
        assert_eq!(aligned("abc", "aBc"), "aa bB cc");
        assert_eq!(aligned("a?c", "axc"), "aa ?x cc");
        assert_eq!(aligned("", "ab"), "-a -b");
    }

    #[test]
    fn a_wrong_order_is_never_equal() {
        assert_eq!(aligned("abc", "acb"), "aa b- cc -b");
    }

    #[test]
    fn too_many_to_compare_all_with_all_are_compared_one_by_one() {
        let pairs = align(5_000, 5_001, |_, _| Likeness::None);
        assert_eq!((pairs.len(), pairs[5_000]), (5_001, (None, Some(5_000))));
    }
}
