package health

import (
	"fmt"

	"relink/internal/ui"
	"relink/opcache"
)

func checkReleases(_ *Facts, a *App, t *Thresholds) Result {
	if a.ReleaseErr != nil {
		return notMade(a.ReleaseErr)
	}
	n, bytes := len(a.Prunable), a.PrunableBytes()
	message := ui.Plural(n, "release") + " beyond those to be kept"
	if n > 0 {
		message += ", " + ui.Bytes(bytes)
	}
	return figure("prunable", Count, float64(n), t.own).judgeAs(message, fmt.Sprintf(`run "relink prune --app %s"`, a.Name)).
		with(Figure{Name: "prunable_bytes", Value: float64(bytes), Unit: Bytes})
}

// PrunableBytes is what a prune would free.
func (a *App) PrunableBytes() (sum int64) {
	for _, one := range a.Prunable {
		sum += one.Bytes
	}
	return sum
}

const roomFix = `run "relink prune", lower keep, or enlarge the file system`

func checkDisk(_ *Facts, disk *FileSystem, t *Thresholds) Result {
	free := opcache.Ratio(disk.FreeBytes, disk.Bytes)
	message := fmt.Sprintf("%s free, %s of %s", ui.Bytes(disk.FreeBytes), ui.Percent(free), ui.Bytes(disk.Bytes))
	figures := []Figure{figure("free", Ratio, free, t.own).least(), {Name: "free_bytes", Value: float64(disk.FreeBytes), Unit: Bytes}}
	if disk.FreeBytes < disk.MinFree {
		return problem(Critical, message+", less than min_free: the next deploy fails", roomFix).with(figures...).blocking()
	}
	return figures[0].judge(message, roomFix).with(figures[1])
}

func checkInodes(_ *Facts, disk *FileSystem, t *Thresholds) Result {
	if disk.Inodes == 0 {
		return ok("made as needed")
	}
	free := opcache.Ratio(disk.Free, disk.Inodes)
	return figure("free", Ratio, free, t.own).least().judge(fmt.Sprintf("%s free, %s", ui.Count(disk.Free), ui.Percent(free)), roomFix)
}
