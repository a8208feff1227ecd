"""C-Eval: Chinese exams in 52 subjects (Huang et al., 2023, arXiv:2305.08322).

The validation split, because the labels of the test split are not public.
"""

from pytest_gptoss import Benchmark, Item, Response, hub, scorers

SUBJECTS = (
    "accountant",
    "advanced_mathematics",
    "art_studies",
    "basic_medicine",
    "business_administration",
    "chinese_language_and_literature",
    "civil_servant",
    "clinical_medicine",
    "college_chemistry",
    "college_economics",
    "college_physics",
    "college_programming",
    "computer_architecture",
    "computer_network",
    "discrete_mathematics",
    "education_science",
    "electrical_engineer",
    "environmental_impact_assessment_engineer",
    "fire_engineer",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_chinese",
    "high_school_geography",
    "high_school_history",
    "high_school_mathematics",
    "high_school_physics",
    "high_school_politics",
    "ideological_and_moral_cultivation",
    "law",
    "legal_professional",
    "logic",
    "mao_zedong_thought",
    "marxism",
    "metrology_engineer",
    "middle_school_biology",
    "middle_school_chemistry",
    "middle_school_geography",
    "middle_school_history",
    "middle_school_mathematics",
    "middle_school_physics",
    "middle_school_politics",
    "modern_chinese_history",
    "operating_system",
    "physician",
    "plant_protection",
    "probability_and_statistics",
    "professional_tour_guide",
    "sports_science",
    "tax_accountant",
    "teacher_qualification",
    "urban_and_rural_planner",
    "veterinary_medicine",
)

PROMPT = """\
请回答下面这道单项选择题。可以先推理，最后另起一行，
按“答案：X”的格式给出答案，X 为 A、B、C、D 之一。

{question}

A. {A}
B. {B}
C. {C}
D. {D}"""

ceval = Benchmark(
    name="ceval",
    # The Hub shows no commit that could be checked against these rows, so the branch is named.
    rows=hub("ceval/ceval-exam", config=SUBJECTS, split="val", revision="main"),
    item=lambda row: Item(
        prompt=PROMPT.format_map(row),
        target=row["answer"],
        choices=(row["A"], row["B"], row["C"], row["D"]),
        metadata={"subject": row["config"]},
    ),
    scorer=scorers.choice("ABCD"),
    id=lambda row: f"{row['config']}/{row['id']}",
    strata="config",
    title="C-Eval",
    task="multiple choice in Chinese, 52 subjects",
    chance=0.25,
    licence="CC-BY-NC-SA-4.0",
    citation="Huang et al. (2023), C-Eval: A Multi-Level Multi-Discipline Chinese Evaluation Suite "
    "for Foundation Models, arXiv:2305.08322",
    prompt_source="this project",
)


@ceval.test
def test_ceval(response: Response) -> None:
    """One question."""
    response.check()
