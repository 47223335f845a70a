/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _PSHARE_SELFTESTS_ORACLE_JUDGE_H
#define _PSHARE_SELFTESTS_ORACLE_JUDGE_H

struct oracle;

/* From what each page holds and where it lies: classes, blocks and savings. */
void oracle_judge(struct oracle *oracle);

#endif /* _PSHARE_SELFTESTS_ORACLE_JUDGE_H */
