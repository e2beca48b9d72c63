//! Orders what depends on each other. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The nodes in an order in which each comes after all that it needs, and otherwise as they are given.
///
/// `needs[n]` are the nodes that `n` needs. Source: Kahn 1962, with the smallest ready node first.
///
/// # Errors
/// The nodes along a cycle, the first again at the end.
pub(super) fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (node, needs) in needs.iter().enumerate() {
        for need in needs {
            needed_by[*need].push(node);
        }
    }
    let mut ready: BinaryHeap<_> = (0..needs.len()).filter(|node| missing[*node] == 0).map(Reverse).collect();
    let mut ordered = Vec::with_capacity(needs.len());
    while let Some(Reverse(node)) = ready.pop() {
        ordered.push(node);
        for next in &needed_by[node] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                ready.push(Reverse(*next));
            }
        }
    }
    if ordered.len() == needs.len() { Ok(ordered) } else { Err(cycle(needs, &missing)) }
}

/// Of the nodes that still miss something, each has a need that does: following those must come back.
fn cycle(needs: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let is_open = |node: &usize| missing[*node] > 0;
    let mut way: Vec<usize> = Vec::new();
    let mut next = (0..needs.len()).find(is_open);
    while let Some(node) = next {
        if let Some(start) = way.iter().position(|seen| *seen == node) {
            way.drain(..start);
            // Told from its first node on, so that the same cycle is always the same text.
            let first = way.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(at, _)| at);
            way.rotate_left(first);
            way.push(way[0]);
            return way;
        }
        way.push(node);
        next = needs[node].iter().copied().find(is_open);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn keeps_the_order_that_is_given() {
        assert_eq!(order(&[]), Ok(vec![]));
        assert_eq!(order(&[vec![], vec![], vec![]]), Ok(vec![0, 1, 2]));
        assert_eq!(order(&[vec![], vec![0], vec![0]]), Ok(vec![0, 1, 2]));
    }

    #[test]
    fn a_need_comes_first() {
        assert_eq!(order(&[vec![2], vec![], vec![]]), Ok(vec![1, 2, 0]));
        assert_eq!(order(&[vec![3], vec![0], vec![], vec![]]), Ok(vec![2, 3, 0, 1]));
        assert_eq!(order(&[vec![], vec![0, 0]]), Ok(vec![0, 1]), "named twice is no more than once");
    }

    #[test]
    fn a_cycle_is_told_from_its_first_node() {
        assert_eq!(order(&[vec![0]]), Err(vec![0, 0]));
        assert_eq!(order(&[vec![], vec![3], vec![1], vec![2]]), Err(vec![1, 3, 2, 1]));
    }
}
