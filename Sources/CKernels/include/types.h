#ifndef SWK_TYPES_H
#define SWK_TYPES_H

/// Element types, with the numbers of ONNX's TensorProto.DataType.
typedef enum {
  SWK_T_F32 = 1, SWK_T_U8 = 2, SWK_T_I8 = 3, SWK_T_U16 = 4, SWK_T_I16 = 5, SWK_T_I32 = 6, SWK_T_I64 = 7, SWK_T_BOOL = 9,
  SWK_T_F16 = 10, SWK_T_F64 = 11, SWK_T_U32 = 12, SWK_T_U64 = 13, SWK_T_C64 = 14, SWK_T_C128 = 15, SWK_T_BF16 = 16,
  SWK_T_F8E4M3FN = 17, SWK_T_F8E4M3FNUZ = 18, SWK_T_F8E5M2 = 19, SWK_T_F8E5M2FNUZ = 20, SWK_T_U4 = 21, SWK_T_I4 = 22,
  SWK_T_F4E2M1 = 23, SWK_T_F8E8M0 = 24, SWK_T_U2 = 25, SWK_T_I2 = 26, SWK_T_F6E2M3 = 27, SWK_T_F6E3M2 = 28,
  SWK_TYPE_COUNT = 29
} swk_element_type;
#endif
