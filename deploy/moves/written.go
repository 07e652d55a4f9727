package moves

import "encoding/json"

// group is how moves that follow one another stand in files: once what they have in common,
// which is nearly all of it where one release goes to a thousand instances. Each deploy reads
// of those before it, and writes its own several times.
type group struct {
	From      Target   `json:"from"`
	To        Target   `json:"to"`
	UID       int      `json:"uid"`
	GID       int      `json:"gid"`
	Stays     bool     `json:"stays,omitempty"`
	Instances []member `json:"instances,omitempty"`
	member             // of the only one, as it was written before there were groups
}

// member is what is of an instance alone.
type member struct {
	Instance string `json:"instance,omitempty"`
	Link     string `json:"link,omitempty"`
	Place    string `json:"place,omitempty"` // "": as Link
}

func (m Move) alike(other Move) bool {
	return m.From == other.From && m.To == other.To && m.UID == other.UID && m.GID == other.GID && m.Stays == other.Stays
}

// MarshalJSON keeps the order of the moves.
func (p Plan) MarshalJSON() ([]byte, error) {
	groups := []group{}
	for i, move := range p {
		if i == 0 || !move.alike(p[i-1]) {
			groups = append(groups, group{From: move.From, To: move.To, UID: move.UID, GID: move.GID, Stays: move.Stays})
		}
		one := member{Instance: move.Instance, Link: move.Link}
		if move.Place != move.Link {
			one.Place = move.Place
		}
		last := &groups[len(groups)-1]
		last.Instances = append(last.Instances, one)
	}
	return json.Marshal(groups)
}

// UnmarshalJSON reads what earlier versions have written, too.
func (p *Plan) UnmarshalJSON(text []byte) error {
	var groups []group
	if err := json.Unmarshal(text, &groups); err != nil {
		return err
	}
	*p = nil
	for _, g := range groups {
		if len(g.Instances) == 0 {
			g.Instances = []member{g.member}
		}
		for _, one := range g.Instances {
			move := Move{Instance: one.Instance, Link: one.Link, Place: one.Place, From: g.From, To: g.To, UID: g.UID, GID: g.GID, Stays: g.Stays}
			if move.Place == "" {
				move.Place = move.Link
			}
			*p = append(*p, move)
		}
	}
	return nil
}
