package java

import "math/big"

// AppendBigInteger appends v as BigInteger.toByteArray does: the shortest two's complement, big-endian.
func AppendBigInteger(dst []byte, v *big.Int) []byte {
	if v.Sign() >= 0 {
		n := v.BitLen()/8 + 1
		return append(dst, v.FillBytes(make([]byte, n))...)
	}
	n := new(big.Int).Not(v).BitLen()/8 + 1
	v = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(n)*8))
	return append(dst, v.FillBytes(make([]byte, n))...)
}
