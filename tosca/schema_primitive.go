package tosca

// primitive tells which built-in type a data type comes down to.
type primitive uint8

const (
	complexType primitive = iota // a data type with properties
	stringType
	integerType
	floatType
	booleanType
	timestampType
	nullType
	versionType
	rangeType
	listType
	mapType
	scalarSizeType
	scalarTimeType
	scalarFrequencyType
	scalarBitrateType
	bytesType
	scalarType
	anyType // no type given
)

// primitive returns what the type comes down to: the built-in type at the root
// of its derivation. It stops where derivation goes round, which is reported
// elsewhere.
//
// Source: TOSCA 1.3 sections 3.2 and 3.3, TOSCA 2.0 section 9.1.
func (t *DataType) primitive() primitive {
	const deepest = 1000
	for i := 0; t.Parent != nil && i < deepest; i++ {
		t = t.Parent
	}
	if !t.Normative {
		return complexType
	}
	switch t.Name {
	case "string":
		return stringType
	case "integer":
		return integerType
	case "float":
		return floatType
	case "boolean":
		return booleanType
	case "timestamp":
		return timestampType
	case "null", "nil":
		return nullType
	case "version":
		return versionType
	case "range":
		return rangeType
	case "list":
		return listType
	case "map":
		return mapType
	case "bytes":
		return bytesType
	case "any":
		return anyType
	}
	return unitType(t.Name)
}

func unitType(name string) primitive {
	switch name {
	case "scalar-unit.size":
		return scalarSizeType
	case "scalar-unit.time":
		return scalarTimeType
	case "scalar-unit.frequency":
		return scalarFrequencyType
	case "scalar-unit.bitrate":
		return scalarBitrateType
	case "scalar", "scalar-unit":
		return scalarType
	}
	return complexType
}

// scalarKind returns the kind of a scalar unit.
func (p primitive) scalarKind() (ScalarKind, bool) {
	switch p {
	case scalarSizeType:
		return Size, true
	case scalarTimeType:
		return Time, true
	case scalarFrequencyType:
		return Frequency, true
	case scalarBitrateType:
		return Bitrate, true
	}
	return "", false
}

// ordered tells whether values of the type can be greater and less.
func (p primitive) ordered() bool {
	switch p {
	case listType, mapType, complexType, booleanType, nullType, bytesType:
		return false
	}
	return true
}

// hasLength tells whether values of the type have a length.
func (p primitive) hasLength() bool {
	switch p {
	case stringType, listType, mapType, bytesType:
		return true
	}
	return false
}
