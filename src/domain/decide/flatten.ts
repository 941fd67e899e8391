/** Members and subgroups of groups, by any key. */
export interface GroupGraph<Group, Person> {
  /** Every group to be looked at, in a stable order. */
  readonly groups: readonly Group[];
  readonly peopleOf: (group: Group) => Iterable<Person>;
  readonly subgroupsOf: (group: Group) => readonly Group[];
}

/**
 * Everybody who belongs to each group, through nested groups as well. Cycles are safe: the groups of a cycle have the
 * same people. Each group is entered once (Tarjan's strongly connected components, without recursion), so the time is
 * linear in groups, edges and the memberships that come out.
 */
export function flatten<Group, Person>({
  groups,
  peopleOf,
  subgroupsOf,
}: GroupGraph<Group, Person>): ReadonlyMap<Group, ReadonlySet<Person>> {
  const result = new Map<Group, Set<Person>>();
  const order = new Map<Group, number>();
  const lowest = new Map<Group, number>();
  const open: Group[] = [];
  const isOpen = new Set<Group>();

  const enter = (group: Group): { readonly group: Group; readonly next: Iterator<Group> } => {
    order.set(group, order.size);
    lowest.set(group, order.get(group) ?? 0);
    open.push(group);
    isOpen.add(group);
    return { group, next: subgroupsOf(group)[Symbol.iterator]() };
  };
  const lower = (group: Group, to: number): void => void lowest.set(group, Math.min(lowest.get(group) ?? to, to));

  /** All subgroups outside the component are done by now. */
  const close = (root: Group): void => {
    const component = open.splice(open.lastIndexOf(root));
    const people = new Set<Person>();
    for (const group of component) {
      isOpen.delete(group);
      for (const person of peopleOf(group)) people.add(person);
      for (const subgroup of subgroupsOf(group)) for (const person of result.get(subgroup) ?? []) people.add(person);
    }
    for (const group of component) result.set(group, people);
  };

  for (const start of groups) {
    if (order.has(start)) continue;
    const path = [enter(start)];
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const { group, next } = step;
      const { value: subgroup, done } = next.next();
      if (done === true) {
        path.pop();
        const parent = path.at(-1);
        if (parent !== undefined) lower(parent.group, lowest.get(group) ?? 0);
        if (lowest.get(group) === order.get(group)) close(group);
      } else if (!order.has(subgroup)) path.push(enter(subgroup));
      else if (isOpen.has(subgroup)) lower(group, order.get(subgroup) ?? 0);
    }
  }
  return result;
}
