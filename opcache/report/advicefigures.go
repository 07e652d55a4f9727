package report

// adviceFigures are those of one master.
func (b *builder) adviceFigures(i int, forecast ForecastReport) AdviceFigures {
	m := &b.now.Masters[i]
	s, c := &m.Status, &m.Configuration
	f := AdviceFigures{
		MemoryBytes: s.Memory.Total(), FreeBytes: s.Memory.Free, CacheFull: s.CacheFull,
		OOMRestarts: s.Statistics.OOMRestarts, HashRestarts: s.Statistics.HashRestarts,
		Keys: s.Statistics.CachedKeys, MaxKeys: s.Statistics.MaxCachedKeys, MaxAcceleratedFiles: c.MaxAcceleratedFiles,
		StringsUsed: s.Strings.Used, StringsSize: s.Strings.Size,
		FileUpdateProtection: c.FileUpdateProtection, ValidateTimestamps: c.ValidateTimestamps,
		LiveReleases: b.liveReleases(i), ProcessControlTimeout: m.ProcessControlTimeout, Forecast: forecast,
	}
	if len(c.OpenBasedir) == 0 { // open_basedir switches the realpath cache off
		f.RealpathUsed, f.RealpathSize = max(s.Worker.RealpathCache, c.Worker.RealpathCache), c.RealpathCacheSize
	}
	return f
}

// liveReleases counts the releases that instances are on and that this master
// holds. A copy outside every releases folder is not known to be immutable.
func (b *builder) liveReleases(master int) int {
	n := 0
	for _, one := range b.places.releases {
		if len(one.instances) > 0 && one.id != one.folder && one.masters != nil && one.masters[master] != nil && one.masters[master].live > 0 {
			n++
		}
	}
	return n
}
