//go:build aipool_static

package aipool

// #cgo LDFLAGS: -l:libaipool.a -lgcc_s -lm -ldl -lpthread
import "C"
