/* Made by models.py, which says what each model does. */
#ifndef MODELS_H
#define MODELS_H
extern const unsigned char model_add[124];
extern const unsigned char model_mlp[329];
extern const unsigned char model_branch[266];
extern const unsigned char model_endless[295];
extern const unsigned char model_make_sequence[141];
extern const unsigned char model_take_element[138];
extern const unsigned char model_has_element[118];
extern const unsigned char model_take_map[176];
extern const unsigned char model_make_map[176];
extern const unsigned char model_strings[102];
extern const unsigned char model_halves[98];
extern const unsigned char model_nibbles[109];
extern const unsigned char model_overridable[142];
extern const unsigned char model_unsupported[172];
extern const unsigned char model_invalid[108];
extern const unsigned char model_gather[138];
extern const unsigned char model_huge[116];
extern const unsigned char model_nonzero[105];
extern const unsigned char model_external[163];
#endif
