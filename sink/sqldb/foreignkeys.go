package sqldb

import "context"

// transactor is a session that consistency=transaction needs.
type transactor interface {
	// deferConstraints queues, in an open transaction, that foreign keys are checked at its end, where the database can.
	deferConstraints(ctx context.Context) error
	// references reads the foreign keys of the database.
	references(ctx context.Context) ([]reference, error)
}

// reference is a foreign key.
type reference struct {
	name       string
	from, to   tableName // the table that has it, and the one it refers to
	deferrable bool      // it can be checked at the end of a transaction
}

// graph is the order that foreign keys put tables in. Immutable.
type graph struct {
	tables     []tableName
	components []int // of the tables; those that refer to each other in a circle share one. Referred ones have lower numbers.
	above      [][]bool
	circles    []bool   // components of several tables, or of one that refers to itself
	fixed      []string // a foreign key within a circle of several tables that cannot be deferred; "" when there is none
}

// newGraph orders tables; references between others do not count.
func newGraph(tables []tableName, refs []reference) *graph {
	g := &graph{tables: tables, components: make([]int, len(tables))}
	edges := make([][]int, len(tables))
	for _, r := range refs {
		from, to := g.find(r.from), g.find(r.to)
		if from >= 0 && to >= 0 {
			edges[from] = append(edges[from], to)
		}
	}
	n := g.connect(edges)
	g.circles, g.fixed, g.above = make([]bool, n), make([]string, n), make([][]bool, n)
	sizes := make([]int, n)
	for _, c := range g.components {
		sizes[c]++
		if g.above[c] == nil {
			g.above[c] = make([]bool, n)
		}
	}
	for _, r := range refs {
		from, to := g.find(r.from), g.find(r.to)
		if from < 0 || to < 0 {
			continue
		}
		c, d := g.components[from], g.components[to]
		if c != d {
			g.above[c][d] = true
			continue
		}
		g.circles[c] = true
		if sizes[c] > 1 && !r.deferrable {
			g.fixed[c] = r.name + " of table " + r.from.String()
		}
	}
	for c := range n { // lower numbers are complete already
		for d := range n {
			if g.above[c][d] {
				for e := range n {
					g.above[c][e] = g.above[c][e] || g.above[d][e]
				}
			}
		}
	}
	return g
}

// find is the index of a table; one whose schema is not known has any.
func (g *graph) find(n tableName) int {
	for i, t := range g.tables {
		if t == n || t.schema == "" && t.table == n.table || n.schema == "" && t.table == n.table {
			return i
		}
	}
	return -1
}

// connect finds the strongly connected components, by Tarjan's algorithm, which numbers what is referred to first.
func (g *graph) connect(edges [][]int) (components int) {
	index := make([]int, len(edges)) // from 1; 0 is not visited
	low := make([]int, len(edges))
	on := make([]bool, len(edges))
	var stack []int
	next := 0
	var visit func(v int)
	visit = func(v int) {
		next++
		index[v], low[v] = next, next
		stack = append(stack, v)
		on[v] = true
		for _, w := range edges[v] {
			if index[w] == 0 {
				visit(w)
				low[v] = min(low[v], low[w])
			} else if on[w] {
				low[v] = min(low[v], index[w])
			}
		}
		if low[v] != index[v] {
			return
		}
		for {
			w := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			on[w] = false
			g.components[w] = components
			if w == v {
				break
			}
		}
		components++
	}
	for v := range edges {
		if index[v] == 0 {
			visit(v)
		}
	}
	return components
}

// component is the one of a table; tables that are not known come last.
func (g *graph) component(n tableName) int {
	if i := g.find(n); i >= 0 {
		return g.components[i]
	}
	return len(g.circles)
}

// before tells whether tables of component b refer, over others perhaps, to those of a.
func (g *graph) before(a, b int) bool {
	return a != b && b < len(g.above) && a < len(g.above) && g.above[b][a]
}

// circle tells whether a table is one of a circle of references.
func (g *graph) circle(n tableName) bool {
	c := g.component(n)
	return c < len(g.circles) && g.circles[c]
}
