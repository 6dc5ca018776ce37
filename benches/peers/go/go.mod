module github.com/aipool/aipool/benches/peers/go

go 1.24

require github.com/aipool/aipool/bindings/go v0.0.0

replace github.com/aipool/aipool/bindings/go => ../../../bindings/go
